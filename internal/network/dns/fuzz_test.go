package dns

import (
	"io"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"github.com/skep-org/skep/internal/env"
)

// FuzzQuery: whatever comes in, what goes out is an answer to it, fits its asker and has no address that does not serve.
func FuzzQuery(f *testing.F) {
	s := New(Options{Env: env.Real(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	fabric := fabricOf(map[string]int{"web": 200, "db": 1})
	gone := netip.MustParseAddr("127.9.200.1")
	for _, n := range fabric.Networks {
		for _, e := range n.Endpoints {
			if e.Service == idOf("db") {
				e.Serving, e.Addr = false, gone
			}
		}
	}
	s.Set(MakeZones(nil, fabric, []Asker{askerAt(client)}))
	for _, q := range []*dns.Msg{
		a("web"), a("tasks.web"), a("db"), a("example.com"), new(dns.Msg).SetQuestion("1.1.9.127.in-addr.arpa.", dns.TypePTR),
		new(dns.Msg).SetQuestion("1.0.0.2.ip6.arpa.", dns.TypePTR), new(dns.Msg).SetQuestion("web.", dns.TypeANY), a("."), new(dns.Msg).SetReply(a("web")), {},
	} {
		for _, edns := range []bool{false, true} {
			if edns {
				q.SetEdns0(1232, true)
			}
			raw, err := q.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw, edns)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, tcp bool) {
		q, r := parse(idOf(overlay), netip.MustParseAddr(client), raw, tcp)
		if q == nil && r == nil {
			return
		}
		if q != nil {
			r = s.quick(q)
			if end := questionEnd(raw); end > len(raw) {
				t.Fatalf("the question ends at %d of %d", end, len(raw))
			}
		}
		if r == nil {
			return // an upstream's business
		}
		out := pack(r, q)
		got := new(dns.Msg)
		if err := got.Unpack(out); err != nil {
			t.Fatalf("an answer that nobody can read: %v", err)
		}
		if got.Id != uint16(raw[0])<<8|uint16(raw[1]) || !got.Response {
			t.Fatalf("no answer to the query: %v", got)
		}
		if q != nil && len(out) > room(q.msg, tcp) {
			t.Fatalf("%d bytes for an asker with room for %d", len(out), room(q.msg, tcp))
		}
		for _, rr := range got.Answer {
			if rr, ok := rr.(*dns.A); ok && rr.A.Equal(gone.AsSlice()) {
				t.Fatalf("a dead address: %v", got)
			}
		}
	})
}

// FuzzUpstream: whatever an upstream says, its asker gets something that fits, under its own id.
func FuzzUpstream(f *testing.F) {
	asked, err := a("example.com").Pack()
	if err != nil {
		f.Fatal(err)
	}
	long := new(dns.Msg).SetReply(a("example.com"))
	for range 100 {
		long.Answer = append(long.Answer, &dns.A{Hdr: dns.RR_Header{Name: "example.com.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: []byte{1, 2, 3, 4}})
	}
	raw, err := long.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(asked)
	q, _ := parse(idOf(overlay), netip.MustParseAddr(client), asked, false)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !answers(raw, asked) {
			return
		}
		retried(raw)
		out := fit(raw, q)
		if len(out) < headerSize || len(out) > dns.MinMsgSize || out[0] != asked[0] || out[1] != asked[1] {
			t.Fatalf("%d bytes: %x", len(out), out)
		}
	})
}
