package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"

	"github.com/miekg/dns"
	"github.com/skep-org/skep/internal/model"
)

// serveUDP answers on the reader's own goroutine what needs no waiting, and that is nearly all.
func (s *Server) serveUDP(ctx context.Context, network model.ID, conn packets, slow *sync.WaitGroup) error {
	buf := make([]byte, mostUDP)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if passing(err) {
				continue
			}
			return fmt.Errorf("read queries: %w", err)
		}
		s.packet(ctx, network, conn, from, buf[:n], slow)
	}
}

// passing errors concern a packet, not the socket.
func passing(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) ||
		errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ECONNABORTED)
}

func (s *Server) packet(ctx context.Context, network model.ID, conn packets, from netip.AddrPort, raw []byte, slow *sync.WaitGroup) {
	// An answer that cannot be sent is asked for again.
	send := func(out []byte) { _, _ = conn.WriteToUDPAddrPort(out, from) }
	q, refusal := parse(network, from.Addr().Unmap(), raw, false)
	if refusal != nil {
		send(pack(refusal, q))
	}
	if q == nil {
		return
	}
	if r := s.quick(q); r != nil {
		send(pack(r, q))
		return
	}
	if !s.gate.take(place{network, q.from}) {
		s.count.failed.Inc()
		send(pack(failure(q.msg, dns.RcodeServerFailure), q))
		return
	}
	q.keep()
	slow.Go(func() {
		defer s.gate.leave(place{network, q.from})
		send(s.wait(ctx, q))
	})
}
