package dns

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

// exchange asks one upstream, over UDP and, if its answer did not fit, over TCP. The query goes out as it came, with
// whatever extensions are in it, but under an id of our own.
func (f *forwarder) exchange(ctx context.Context, upstream netip.AddrPort, q *query) ([]byte, error) {
	asked, space := bytes.Clone(q.raw), mostUDP
	if opt := q.msg.IsEdns0(); opt != nil {
		space = max(space, int(opt.UDPSize()))
	}
	id := f.random.uint64()
	asked[0], asked[1] = byte(id), byte(id>>8)
	short, err := f.over(ctx, "udp", upstream, asked, space)
	if err != nil || short[2]&truncatedBit == 0 {
		return short, err
	}
	if whole, err := f.over(ctx, "tcp", upstream, asked, 0); err == nil {
		return whole, nil
	}
	return short, nil // the client may have more luck
}

// truncatedBit is TC in a message's third byte.
const truncatedBit = 0x02

// over asks by one protocol; over UDP the answer may be as long as space. What does not answer the question is passed
// over: it may be somebody else's guess.
func (f *forwarder) over(ctx context.Context, proto string, upstream netip.AddrPort, asked []byte, space int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, mostTry)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, proto, upstream.String())
	if err != nil {
		return nil, fmt.Errorf("ask over %s: %w", proto, err)
	}
	defer conn.Close()
	// The deadline of ctx is the socket's; its end before that closes the socket.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if proto == "udp" {
		_, err = conn.Write(asked)
	} else {
		err = writeTCP(conn, asked)
	}
	if err != nil {
		return nil, fmt.Errorf("ask over %s: %w", proto, err)
	}
	buf := make([]byte, space)
	for {
		var got []byte
		if proto == "udp" {
			var n int
			n, err = conn.Read(buf)
			got = buf[:n]
		} else {
			got, err = readTCP(conn)
		}
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return nil, fmt.Errorf("wait for an answer over %s: %w", proto, err)
		}
		if answers(got, asked) {
			return got, nil
		}
	}
}

// answers reports whether a message is the answer to a query: the same id and the same question. A server that could not
// even read the question may leave it out.
func answers(raw, asked []byte) bool {
	if len(raw) < headerSize || raw[0] != asked[0] || raw[1] != asked[1] || raw[2]&0x80 == 0 {
		return false
	}
	if raw[4] == 0 && raw[5] == 0 {
		return raw[3]&0xf != dns.RcodeSuccess
	}
	end := questionEnd(asked)
	return end > 0 && len(raw) >= end && raw[4] == 0 && raw[5] == 1 && bytes.EqualFold(raw[headerSize:end], asked[headerSize:end])
}

// questionEnd is where a query's only question ends; 0: it does not.
func questionEnd(raw []byte) int {
	for i := headerSize; i < len(raw); i += 1 + int(raw[i]) {
		if raw[i] == 0 && i+5 <= len(raw) {
			return i + 5
		}
		if raw[i] >= 64 {
			return 0 // nothing comes before a question that it could point to
		}
	}
	return 0
}
