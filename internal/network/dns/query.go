package dns

import (
	"bytes"
	"context"
	"net/netip"

	"github.com/miekg/dns"
	"github.com/skep-org/skep/internal/model"
)

// query is one question of one asker.
type query struct {
	network model.ID
	from    netip.Addr
	raw     []byte
	msg     *dns.Msg
	tcp     bool
}

// parse reads a message. One that is to be refused is answered; one that is to be ignored gives neither query nor answer.
func parse(network model.ID, from netip.Addr, raw []byte, tcp bool) (*query, *dns.Msg) {
	q := &query{network: network, from: from, raw: raw, msg: new(dns.Msg), tcp: tcp}
	err := q.msg.Unpack(raw)
	if len(raw) < headerSize || q.msg.Response {
		return nil, nil // not even a header, or an answer: whoever sends answers to a server wants two of them to talk
	}
	switch {
	case err != nil, q.msg.Opcode == dns.OpcodeQuery && len(q.msg.Question) != 1:
		r := &dns.Msg{MsgHdr: dns.MsgHdr{Id: q.msg.Id, Opcode: q.msg.Opcode, Response: true, Rcode: dns.RcodeFormatError}}
		return nil, r
	case q.msg.Opcode != dns.OpcodeQuery:
		return nil, &dns.Msg{MsgHdr: dns.MsgHdr{Id: q.msg.Id, Opcode: q.msg.Opcode, Response: true, Rcode: dns.RcodeNotImplemented}}
	}
	switch question := q.msg.Question[0]; {
	case question.Qclass != dns.ClassINET:
		return nil, failure(q.msg, dns.RcodeNotImplemented)
	case question.Qtype == dns.TypeAXFR, question.Qtype == dns.TypeIXFR:
		return nil, failure(q.msg, dns.RcodeRefused) // many messages in one answer: nothing a container needs of us
	}
	return q, nil
}

// headerSize is the length of a message's header.
const headerSize = 12

// keep makes the query independent of the buffer it was read into.
func (q *query) keep() *query {
	q.raw = bytes.Clone(q.raw)
	return q
}

// quick answers what needs no waiting; nil: wait is to be asked.
func (s *Server) quick(q *query) *dns.Msg {
	st := s.state.Load()
	a := st.zones.askers[place{q.network, q.from}]
	if a == nil {
		s.count.refused.Inc()
		return failure(q.msg, dns.RcodeRefused)
	}
	if !a.ready {
		return nil
	}
	return s.own(st.zones, a, q)
}

// own is this node's own answer; nil: an upstream has to be asked.
func (s *Server) own(z *Zones, a *asker, q *query) *dns.Msg {
	if r := z.answer(a, q.msg, mix(s.seed+s.asked.Add(1))); r != nil {
		s.count.answered.Inc()
		return r
	}
	if a.closed {
		s.count.failed.Inc()
		return failure(q.msg, dns.RcodeServerFailure)
	}
	return nil
}

// wait answers what may take its time: when the asker is ready, from its networks or from its upstreams.
func (s *Server) wait(ctx context.Context, q *query) []byte {
	z, a, refusal := s.hold(ctx, q)
	if refusal != nil {
		return pack(refusal, q)
	}
	if r := s.own(z, a, q); r != nil {
		return pack(r, q)
	}
	raw, err := s.forward.ask(ctx, a.upstreams, q)
	if err != nil {
		s.count.failed.Inc()
		s.log.Debug("a name could not be asked of an upstream", "name", q.msg.Question[0].Name, "err", err)
		return pack(failure(q.msg, dns.RcodeServerFailure), q)
	}
	s.count.forwarded.Inc()
	return raw
}

// hold waits until the asker is ready. Who is gone meanwhile, or does not get ready, has a refusal.
func (s *Server) hold(ctx context.Context, q *query) (*Zones, *asker, *dns.Msg) {
	late, stop := s.env.NewTimer(mostHeld)
	defer stop()
	for first := true; ; first = false {
		st := s.state.Load()
		a := st.zones.askers[place{q.network, q.from}]
		switch {
		case a == nil:
			s.count.refused.Inc()
			return nil, nil, failure(q.msg, dns.RcodeRefused)
		case a.ready:
			return st.zones, a, nil
		}
		if first {
			s.count.held.Inc()
		}
		select {
		case <-st.changed:
		case <-late:
			s.count.failed.Inc()
			return nil, nil, failure(q.msg, dns.RcodeServerFailure)
		case <-ctx.Done():
			return nil, nil, failure(q.msg, dns.RcodeServerFailure)
		}
	}
}

// pack is a message as its asker can take it.
func pack(r *dns.Msg, q *query) []byte {
	if q != nil {
		r.Truncate(room(q.msg, q.tcp))
	}
	out, err := r.Pack()
	if err != nil { // a name that cannot be said in a message
		out, _ = (&dns.Msg{MsgHdr: dns.MsgHdr{Id: r.Id, Response: true, Rcode: dns.RcodeServerFailure}}).Pack()
	}
	return out
}
