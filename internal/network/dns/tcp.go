package dns

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/skep-org/skep/internal/model"
)

const (
	// mostConns bounds an overlay's open connections; who opens more is turned away.
	mostConns = 256
	// mostConnsOfOne leaves the others room when one container opens connections without end.
	mostConnsOfOne = 32
	// idleConn is how long a connection may be silent between queries.
	idleConn = 10 * time.Second
)

// serveTCP answers each connection's queries one after the other.
func (s *Server) serveTCP(ctx context.Context, network model.ID, ln net.Listener, slow *sync.WaitGroup) error {
	open := newSeats[netip.Addr](mostConns, mostConnsOfOne)
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if passing(err) {
				continue
			}
			return fmt.Errorf("take connections: %w", err)
		}
		from := callerOf(conn)
		if !s.knows(network, from) || !open.take(from) {
			conn.Close()
			continue
		}
		slow.Go(func() {
			defer open.leave(from)
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			s.connection(ctx, network, from, conn)
		})
	}
}

// callerOf is the address at the other end; invalid if it has none.
func callerOf(conn net.Conn) netip.Addr {
	at, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	return at.Addr().Unmap()
}

// knows says whether a container of this node has that address on a network: nobody else is to hold connections.
func (s *Server) knows(network model.ID, from netip.Addr) bool {
	_, ok := s.state.Load().zones.askers[place{network, from}]
	return ok
}

func (s *Server) connection(ctx context.Context, network model.ID, from netip.Addr, conn net.Conn) {
	for ctx.Err() == nil {
		_ = conn.SetDeadline(s.env.Now().Add(idleConn))
		raw, err := readTCP(conn)
		if err != nil {
			return
		}
		q, refusal := parse(network, from, raw, true)
		if refusal == nil && q == nil {
			return
		}
		out := s.stream(ctx, q, refusal)
		_ = conn.SetDeadline(s.env.Now().Add(idleConn))
		if err := writeTCP(conn, out); err != nil {
			return
		}
	}
}

// stream is the answer to a query that came over TCP.
func (s *Server) stream(ctx context.Context, q *query, refusal *dns.Msg) []byte {
	if refusal != nil {
		return pack(refusal, q)
	}
	if r := s.quick(q); r != nil {
		return pack(r, q)
	}
	from := place{q.network, q.from}
	if !s.gate.take(from) {
		s.count.failed.Inc()
		return pack(failure(q.msg, dns.RcodeServerFailure), q)
	}
	defer s.gate.leave(from)
	return s.wait(ctx, q)
}

// readTCP reads one message with its length before it.
func readTCP(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	raw := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, raw)
	return raw, err
}

func writeTCP(w io.Writer, raw []byte) error {
	out := make([]byte, 2, 2+len(raw))
	binary.BigEndian.PutUint16(out, uint16(len(raw)))
	_, err := w.Write(append(out, raw...))
	return err
}
