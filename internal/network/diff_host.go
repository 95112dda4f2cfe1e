package network

import (
	"cmp"
	"maps"
	"net/netip"
)

// host compares what the host's own namespace holds.
func (d *differ) host() {
	want, have := d.want.Host, d.have.Host
	if have == nil {
		have = &Host{}
	}
	in, was := want.Ingress, have.Ingress
	if in == nil {
		in = &Ingress{}
	}
	if was == nil {
		was = &Ingress{}
	}
	put, _ := compareMaps(want.Sysctls, have.Sysctls, cmp.Compare[string])
	for _, name := range put {
		d.ways = append(d.ways, Op{Act: Change, Kind: KindSysctl, Name: name, Value: want.Sysctls[name]})
	}
	d.routing(in, was)
	if have.Members == nil || want.Port != have.Port || want.Sixth != have.Sixth || in.Subnet != was.Subnet || in.Own != was.Own || in.Unmarked != was.Unmarked {
		d.onto = append(d.onto, Op{Act: added(have.Members == nil), Kind: KindTable, Host: want})
		was, have = &Ingress{Accepted: was.Accepted}, &Host{}
	}
	d.sets(want, have, in, was)
	if in.Accepted != was.Accepted {
		act := Add
		if was.Accepted {
			act = Remove
		}
		d.onto = append(d.onto, Op{Act: act, Kind: KindAccept})
	}
}

// routing is the ways to containers and nodes, and back.
func (d *differ) routing(in, was *Ingress) {
	if d.wayless {
		was = &Ingress{Rules: was.Rules, Routes: maps.Clone(was.Routes)}
		maps.DeleteFunc(was.Routes, func(_ netip.Prefix, r Route) bool { return r.Dev == IngressLink })
	}
	put, drop := compareMaps(in.Routes, was.Routes, comparePrefix)
	for _, dst := range nodesFirst(put, in.Routes) {
		_, ok := was.Routes[dst]
		d.ways = append(d.ways, Op{Act: added(!ok), Kind: KindRoute, Prefix: dst, Route: in.Routes[dst]})
	}
	for _, dst := range drop {
		d.last = append(d.last, Op{Act: Remove, Kind: KindRoute, Prefix: dst, Route: was.Routes[dst]})
	}
	marks, gone := compareMaps(in.Returns, was.Returns, cmp.Compare[uint32])
	for _, m := range marks {
		d.ways = append(d.ways, Op{Act: added(!was.Returns[m].IsValid()), Kind: KindReturn, Mark: m, Addr: in.Returns[m]})
	}
	rules, goneRules := compareMaps(in.Rules, was.Rules, compareRules)
	for _, r := range rules {
		d.ways = append(d.ways, Op{Act: Add, Kind: KindRule, Rule: r})
	}
	for _, r := range goneRules {
		d.last = append(d.last, Op{Act: Remove, Kind: KindRule, Rule: r})
	}
	for _, m := range gone {
		d.last = append(d.last, Op{Act: Remove, Kind: KindReturn, Mark: m, Addr: was.Returns[m]})
	}
}

// nodesFirst puts routes through a node behind the route to it.
func nodesFirst(list []netip.Prefix, routes map[netip.Prefix]Route) []netip.Prefix {
	var direct, via []netip.Prefix
	for _, p := range list {
		if routes[p].Via.IsValid() {
			via = append(via, p)
		} else {
			direct = append(direct, p)
		}
	}
	return append(direct, via...)
}

// sets are what the host's table of rules looks up.
func (d *differ) sets(want, have *Host, in, was *Ingress) {
	put, drop := compareMaps(want.Members, have.Members, netip.Addr.Compare)
	d.addresses(KindMember, put, drop)
	put, drop = compareMaps(in.Clients, was.Clients, netip.Addr.Compare)
	d.addresses(KindClient, put, drop)
	macs, gone := compareMaps(in.Marks, was.Marks, LinkAddr.compare)
	for _, mac := range macs {
		_, ok := was.Marks[mac]
		d.onto = append(d.onto, Op{Act: added(!ok), Kind: KindMark, MAC: mac, Mark: in.Marks[mac]})
	}
	for _, mac := range gone {
		d.last = append(d.last, Op{Act: Remove, Kind: KindMark, MAC: mac, Mark: was.Marks[mac]})
	}
	ports, closed := compareBackends(in.Published, was.Published, comparePorts)
	for _, port := range ports {
		d.onto = append(d.onto, Op{Act: added(was.Published[port] == nil), Kind: KindPublished, Port: port, Backends: in.Published[port]})
	}
	for _, port := range closed {
		d.onto = append(d.onto, Op{Act: Remove, Kind: KindPublished, Port: port})
	}
}

func (d *differ) addresses(k Kind, put, drop []netip.Addr) {
	for _, a := range put {
		d.onto = append(d.onto, Op{Act: Add, Kind: k, Addr: a})
	}
	for _, a := range drop {
		d.last = append(d.last, Op{Act: Remove, Kind: k, Addr: a})
	}
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func compareRules(a, b Rule) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Mark, b.Mark), cmp.Compare(a.Goto, b.Goto))
}

func comparePorts(a, b PortKey) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
}
