package dns

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

const (
	// ttl lets nobody keep an answer: see the package's invariants.
	ttl = 0
	// mostUDP bounds an answer over UDP for clients that say they take more: the rest is for TCP.
	mostUDP = 4096
)

// answer is what this node says itself; nil: it is an upstream's question. pick shuffles the addresses.
func (z *Zones) answer(a *asker, q *dns.Msg, pick uint64) *dns.Msg {
	question := q.Question[0]
	name := strings.ToLower(strings.TrimSuffix(question.Name, "."))
	if p, exact, ok := reverse(name); ok && z.mine(p) {
		r := reply(q)
		names := []string(nil)
		if exact {
			names = a.names(p.Addr())
		}
		for _, n := range names {
			if target := dns.Fqdn(n); question.Qtype == dns.TypePTR && packs(target) {
				r.Answer = append(r.Answer, &dns.PTR{Hdr: header(question, dns.TypePTR), Ptr: target})
			}
		}
		if len(names) == 0 {
			r.Rcode = dns.RcodeNameError
		}
		return r
	}
	addrs, known := a.find(name)
	if !known {
		return nil
	}
	// Whatever else is asked about a name that is ours, there is nothing: an upstream that knows the name's AAAA, or says
	// that there is no such name, would lead its asker astray.
	r := reply(q)
	switch question.Qtype {
	case dns.TypeA:
		for _, addr := range shuffled(addrs, netip.Addr.Is4, pick) {
			r.Answer = append(r.Answer, &dns.A{Hdr: header(question, dns.TypeA), A: addr.AsSlice()})
		}
	case dns.TypeAAAA:
		for _, addr := range shuffled(addrs, netip.Addr.Is6, pick) {
			r.Answer = append(r.Answer, &dns.AAAA{Hdr: header(question, dns.TypeAAAA), AAAA: addr.AsSlice()})
		}
	}
	return r
}

// reply is an empty answer of ours to q.
func reply(q *dns.Msg) *dns.Msg {
	r := new(dns.Msg)
	r.SetReply(q)
	r.Authoritative, r.RecursionAvailable, r.Compress = true, true, true
	if q.IsEdns0() != nil {
		r.SetEdns0(mostUDP, false)
	}
	return r
}

// failure is an answer without one.
func failure(q *dns.Msg, rcode int) *dns.Msg {
	r := reply(q)
	r.Authoritative, r.Rcode = false, rcode
	return r
}

func header(q dns.Question, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: q.Name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// packs reports whether a name can stand in a message: networks and containers may be called what no name server can say.
func packs(name string) bool {
	_, ok := dns.IsDomainName(name)
	return ok
}

// room is how long an answer its asker takes.
func room(q *dns.Msg, tcp bool) int {
	if tcp {
		return dns.MaxMsgSize
	}
	size := dns.MinMsgSize
	if opt := q.IsEdns0(); opt != nil {
		size = max(size, int(opt.UDPSize()))
	}
	return min(size, mostUDP)
}

// shuffled are the addresses of one family, in an order that pick decides.
func shuffled(addrs []netip.Addr, family func(netip.Addr) bool, pick uint64) []netip.Addr {
	out := slices.DeleteFunc(addrs, func(a netip.Addr) bool { return !family(a) })
	for i := len(out) - 1; i > 0; i-- {
		pick = mix(pick)
		j := int(pick % uint64(i+1))
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// mix makes of a number one that looks unrelated (the step of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
