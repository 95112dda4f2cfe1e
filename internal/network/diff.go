package network

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/skep-org/skep/internal/model"
)

// Diff is what makes of have what is wanted, in an order in which traffic never meets a thing half made: what frees
// names and numbers, then ways, then what leads onto them, then the ways that nothing leads onto any more. have is nil
// where nothing is. Where both share a pointer it does not look.
func Diff(want, have *Desired) []Op {
	if have == nil {
		have = &Desired{Host: &Host{}}
	}
	d := &differ{want: want, have: have, memo: map[[2]*Balancers][]Op{}}
	d.encryption()
	d.segments()
	d.host()
	d.passage()
	d.boxes()
	d.flows()
	return slices.Concat(d.first, d.ways, d.onto, d.last)
}

// differ collects the operations.
type differ struct {
	want, have              *Desired
	first, ways, onto, last []Op
	ungated                 bool                   // the namespace of the encryption is made anew: uplinks to it went with the old one
	wayless                 bool                   // the ingress network's interface is made anew: routes through it went with the old one
	memo                    map[[2]*Balancers][]Op // many containers see the same balancers change
}

func (d *differ) segments() {
	for id, have := range byKey(d.have.Segments, model.ID.Compare) {
		if d.want.Segments[id] == nil {
			d.dropSegment(have)
		}
	}
	for id, want := range byKey(d.want.Segments, model.ID.Compare) {
		have := d.have.Segments[id]
		if have == want {
			continue
		}
		if have == nil {
			have = &Segment{}
		}
		d.segment(want, have)
	}
}

// dropSegment removes a segment. One that containers are still connected to is only cut off from other nodes: taking
// their interfaces away is for who runs them.
func (d *differ) dropSegment(have *Segment) {
	op := Op{Act: Remove, Network: have.Network, Ingress: have.Ingress, Segment: have}
	switch {
	case len(have.Ports) == 0 && !have.Ingress:
		op.Kind = KindNamespace
		d.first = append(d.first, op)
	case have.Uplink != Uplink{}:
		op.Kind = KindUplink
		d.first = append(d.first, op)
	case have.VXLAN != VXLAN{}:
		op.Kind = KindVXLAN
		d.first = append(d.first, op)
	}
}

func (d *differ) segment(want, have *Segment) {
	base := Op{Network: want.Network, Ingress: want.Ingress, Segment: want}
	if want.Namespace != have.Namespace && !want.Ingress { // whose own is the host's
		d.ways = append(d.ways, base.of(Add, KindNamespace))
	}
	if want.Bridge != have.Bridge {
		d.ways = append(d.ways, base.of(added(have.Bridge == Bridge{}), KindBridge))
	}
	if want.Uplink != have.Uplink || d.ungated && want.Encrypted && !want.Ingress {
		act := added(have.Uplink == Uplink{})
		d.ways = append(d.ways, base.of(act, KindUplink))
	}
	fdb, neighbours := have.FDB, have.Neighbours
	vxlan := have.VXLAN
	if d.ungated && want.VXLAN.Covert {
		vxlan = VXLAN{} // its socket is in the namespace that is gone
	}
	if want.VXLAN != vxlan && (want.VXLAN != VXLAN{}) {
		d.ways = append(d.ways, base.of(added(vxlan == VXLAN{}), KindVXLAN))
		if want.VXLAN.remade(vxlan) {
			fdb, neighbours = nil, nil
			d.wayless = d.wayless || want.Ingress
		}
	}
	base.Segment = nil
	d.ports(base, want, have)
	put, drop := compareMaps(want.FDB, fdb, LinkAddr.compare)
	for _, mac := range put {
		op := base.of(added(!fdb[mac].IsValid()), KindFDB)
		op.MAC, op.Addr = mac, want.FDB[mac]
		d.ways = append(d.ways, op)
	}
	for _, mac := range drop {
		op := base.of(Remove, KindFDB)
		op.MAC, op.Addr = mac, fdb[mac]
		d.last = append(d.last, op)
	}
	known, unknown := compareMaps(want.Neighbours, neighbours, netip.Addr.Compare)
	for _, addr := range known {
		op := base.of(added(neighbours[addr] == LinkAddr{}), KindNeighbour)
		op.Addr, op.MAC = addr, want.Neighbours[addr]
		d.ways = append(d.ways, op)
	}
	for _, addr := range unknown {
		op := base.of(Remove, KindNeighbour)
		op.Addr, op.MAC = addr, neighbours[addr]
		d.last = append(d.last, op)
	}
}

// remade says whether the interface cannot be changed into what is wanted, and with it loses what it knows.
func (v VXLAN) remade(have VXLAN) bool {
	return v.VNI != have.VNI || v.Port != have.Port || v.Local != have.Local || v.Addr != have.Addr
}

func (d *differ) ports(base Op, want, have *Segment) {
	for name, p := range byKey(want.Ports, cmp.Compare[string]) {
		is, ok := have.Ports[name]
		if ok && is.Addr.Addr() == p.Addr.Addr() && is.Gateway == p.Gateway && is.Routed == p.Routed { // no more of it can be read
			continue
		}
		op := base.of(added(!ok), KindPort)
		op.Name, op.Local, op.Segment = name, p, want
		d.ways = append(d.ways, op)
	}
	for name, p := range byKey(have.Ports, cmp.Compare[string]) {
		if _, ok := want.Ports[name]; !ok {
			op := base.of(Remove, KindPort)
			op.Name, op.Local = name, p
			d.last = append(d.last, op)
		}
	}
}

func (o Op) of(a Act, k Kind) Op {
	o.Act, o.Kind = a, k
	return o
}

func added(absent bool) Act {
	if absent {
		return Add
	}
	return Change
}

func (l LinkAddr) compare(other LinkAddr) int { return slices.Compare(l[:], other[:]) }

// compareMaps are the keys that want has and have lacks or has otherwise, and those that have alone has.
func compareMaps[K, V comparable](want, have map[K]V, compare func(a, b K) int) (put, drop []K) {
	if same(want, have) {
		return nil, nil
	}
	found := 0
	for k, v := range want {
		is, ok := have[k]
		if ok {
			found++
		}
		if !ok || is != v {
			put = append(put, k)
		}
	}
	if found < len(have) {
		for k := range have {
			if _, ok := want[k]; !ok {
				drop = append(drop, k)
			}
		}
	}
	slices.SortFunc(put, compare)
	slices.SortFunc(drop, compare)
	return put, drop
}

// byKey goes through a map in order, so that the same difference is always the same list.
func byKey[K comparable, V any](m map[K]V, compare func(a, b K) int) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, k := range sorted(m, compare) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

func sorted[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	return slices.SortedFunc(maps.Keys(m), compare)
}
