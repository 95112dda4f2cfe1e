package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/skep-org/skep/internal/env"
	"golang.org/x/sys/unix"
)

const (
	// tries is how often a packet is sent before it counts as lost; patience how long each is waited for.
	tries    = 3
	patience = 400 * time.Millisecond

	ipHeader, udpHeader, icmpHeader = 20, 8, 8
	echoRequest, echoReply          = 8, 0
)

// magic begins what probes carry, before the number that tells one from all others.
const magic = "skep probe 1 "

// whole has a socket's packets sent in one piece, whatever the kernel believes of the way's MTU.
func whole(_, _ string, c syscall.RawConn) (err error) {
	if cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	}); cerr != nil {
		return cerr
	}
	return err
}

// send finds out a probe's fate. from is this node's address on the ingress network.
func (p Probe) send(ctx context.Context, clock env.Clock, from netip.Addr, number uint64) (Fate, error) {
	conn, err := p.dial(ctx, from)
	if err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return Unsent, fmt.Errorf("probe %s: %w", p.To.Addr(), err)
		}
		return Unsent, ctx.Err()
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	packet := p.packet(number)
	for range tries {
		var fate Fate
		if _, err := conn.Write(packet); err != nil {
			fate = fateOf(err)
		} else {
			_ = conn.SetReadDeadline(clock.Now().Add(patience))
			fate = p.await(conn, number)
		}
		if fate != Lost || p.Way == Knock || ctx.Err() != nil {
			return fate, ctx.Err()
		}
	}
	return Lost, nil
}

func (p Probe) dial(ctx context.Context, from netip.Addr) (net.Conn, error) {
	d := net.Dialer{Control: whole}
	switch p.Way {
	case Direct:
		return d.DialContext(ctx, "ip4:icmp", p.To.Addr().String())
	case Overlay:
		d.LocalAddr = &net.IPAddr{IP: from.AsSlice()}
		return d.DialContext(ctx, "ip4:icmp", p.To.Addr().String())
	case UDP:
		d.LocalAddr = &net.UDPAddr{IP: from.AsSlice()}
	}
	return d.DialContext(ctx, "udp4", p.To.String())
}

// packet is what a probe sends, after the IP header.
func (p Probe) packet(number uint64) []byte {
	mark := binary.BigEndian.AppendUint64([]byte(magic), number)
	switch p.Way {
	case UDP:
		return padded(mark, p.Size-ipHeader-udpHeader)
	case Knock:
		return padded([]byte{0x08, 0, 0, 0, 0xff, 0xff, 0xff, 0}, p.Size-ipHeader-udpHeader) // VXLAN, to a network that is none of ours
	}
	out := append([]byte{echoRequest, 0, 0, 0, byte(number >> 8), byte(number), 0, 1}, mark...)
	out = padded(out, p.Size-ipHeader)
	binary.BigEndian.PutUint16(out[2:], checksum(out))
	return out
}

func padded(b []byte, size int) []byte {
	return append(b, make([]byte, max(0, size-len(b)))...)
}

// await reads until the probe's answer comes.
func (p Probe) await(conn net.Conn, number uint64) Fate {
	buf := make([]byte, 1<<16)
	for {
		n, err := read(conn, buf)
		if err != nil {
			return fateOf(err)
		}
		if p.answeredBy(buf[:n], number) {
			return Answered
		}
	}
}

// read leaves out an IP header.
func read(conn net.Conn, buf []byte) (int, error) {
	if ip, ok := conn.(*net.IPConn); ok {
		n, _, err := ip.ReadFromIP(buf)
		return n, err
	}
	return conn.Read(buf)
}

// answeredBy reports whether a packet is this probe's own, come back whole.
func (p Probe) answeredBy(b []byte, number uint64) bool {
	sent := p.packet(number)
	if len(b) != len(sent) {
		return false
	}
	if p.Way == UDP {
		return bytes.Equal(b, sent)
	}
	return b[0] == echoReply && bytes.Equal(b[4:], sent[4:])
}

func fateOf(err error) Fate {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return Refused
	case errors.Is(err, unix.EMSGSIZE):
		return TooLarge
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EPERM), errors.Is(err, unix.EADDRNOTAVAIL):
		return Unsent
	}
	return Lost
}

// checksum is the internet's (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		if i+1 == len(b) {
			sum += uint32(b[i]) << 8
		} else {
			sum += uint32(binary.BigEndian.Uint16(b[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
