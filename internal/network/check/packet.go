package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// tries is how often a packet is sent before it counts as lost; patience how long each is waited for.
	tries    = 3
	patience = 400 * time.Millisecond

	ipHeader, ip6Header, udpHeader = 20, 40, 8
	echoRequest, echoReply         = 8, 0
	echo6Request, echo6Reply       = 128, 129
)

// magic begins what probes carry, before the number that tells one from all others.
const magic = "skep probe 1 "

// whole has a socket's packets sent in one piece, whatever the kernel believes of the way's MTU.
func whole(n, _ string, c syscall.RawConn) (err error) {
	if cerr := c.Control(func(fd uintptr) {
		if strings.HasSuffix(n, "6") || strings.HasPrefix(n, "ip6") {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
			return
		}
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	}); cerr != nil {
		return cerr
	}
	return err
}

// send finds out a probe's fate. from is this node's address on the ingress network.
func (p Probe) send(ctx context.Context, cfg Config, from netip.Addr, number uint64) (Fate, error) {
	conn, err := p.dialFrom(ctx, cfg, from)
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
			_ = conn.SetReadDeadline(cfg.Env.Now().Add(patience))
			fate = p.await(conn, number)
		}
		if fate != Lost || p.Way == Knock || ctx.Err() != nil {
			return fate, ctx.Err()
		}
	}
	return Lost, nil
}

// dialFrom opens a probe's socket, where it is to be sent from.
func (p Probe) dialFrom(ctx context.Context, cfg Config, from netip.Addr) (conn net.Conn, err error) {
	if p.Way != Encrypted {
		return p.dial(ctx, from)
	}
	err = cfg.Inside(func() (err error) {
		conn, err = p.dial(ctx, from)
		return err
	})
	return conn, err
}

func (p Probe) dial(ctx context.Context, from netip.Addr) (net.Conn, error) {
	d := net.Dialer{Control: whole}
	switch p.Way {
	case Direct:
		if p.sixth() {
			return d.DialContext(ctx, "ip6:ipv6-icmp", p.To.Addr().String())
		}
		return d.DialContext(ctx, "ip4:icmp", p.To.Addr().String())
	case Overlay, Encrypted:
		d.LocalAddr = &net.IPAddr{IP: from.AsSlice()}
		return d.DialContext(ctx, "ip4:icmp", p.To.Addr().String())
	case UDP:
		d.LocalAddr = &net.UDPAddr{IP: from.AsSlice()}
	}
	if p.sixth() {
		return d.DialContext(ctx, "udp6", p.To.String())
	}
	return d.DialContext(ctx, "udp4", p.To.String())
}

// sixth says that the probe goes by IPv6.
func (p Probe) sixth() bool { return p.To.Addr().Is6() }

// room is what a probe's packet holds after the IP header.
func (p Probe) room() int {
	if p.sixth() {
		return p.Size - ip6Header
	}
	return p.Size - ipHeader
}

// packet is what a probe sends, after the IP header.
func (p Probe) packet(number uint64) []byte {
	mark := binary.BigEndian.AppendUint64([]byte(magic), number)
	switch p.Way {
	case UDP:
		return padded(mark, p.room()-udpHeader)
	case Knock:
		return padded([]byte{0x08, 0, 0, 0, 0xff, 0xff, 0xff, 0}, p.room()-udpHeader) // VXLAN, to a network that is none of ours
	}
	request := byte(echoRequest)
	if p.sixth() {
		request = echo6Request
	}
	out := append([]byte{request, 0, 0, 0, byte(number >> 8), byte(number), 0, 1}, mark...)
	out = padded(out, p.room())
	if p.sixth() {
		return out // the kernel sums it: it knows the addresses that belong to the sum
	}
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
	reply := byte(echoReply)
	if p.sixth() {
		reply = echo6Reply
	}
	return b[0] == reply && bytes.Equal(b[4:], sent[4:])
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
