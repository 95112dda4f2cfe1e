package network

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/skep-org/skep/internal/model"
)

// boxes compares what containers' own namespaces hold. Those of containers that are gone went with them.
func (d *differ) boxes() {
	for key, want := range byKey(d.want.Boxes, cmp.Compare[string]) {
		have := d.have.Boxes[key]
		switch {
		case have == want:
			continue
		case have == nil && len(want.Tables) == 0:
			continue
		case have == nil || have.Broken:
			d.onto = append(d.onto, Op{Act: added(have == nil), Kind: KindBox, Box: key})
			have = &Box{}
		}
		d.box(want, have)
	}
	for key, have := range byKey(d.have.Boxes, cmp.Compare[string]) {
		if d.want.Boxes[key] == nil {
			d.last = append(d.last, Op{Act: Remove, Kind: KindBox, Box: have.Key})
		}
	}
}

func (d *differ) box(want, have *Box) {
	rest := map[model.ID]*Balancers{} // of have, that want's same network does not answer for
	for id, b := range have.Tables {
		if want.Tables[id] == nil {
			rest[id] = b
		}
	}
	for id, b := range byKey(want.Tables, model.ID.Compare) {
		is := have.Tables[id]
		if is == nil && len(rest) > 0 {
			d.balancersAmong(want.Key, id, b, rest)
			continue
		}
		d.balancers(want.Key, id, b, is)
	}
	for _, b := range byKey(rest, model.ID.Compare) {
		for vip := range byKey(b.ByVIP, netip.Addr.Compare) {
			if !want.has(vip) {
				d.onto = append(d.onto, Op{Act: Remove, Kind: KindBalancer, Box: want.Key, Addr: vip})
			}
		}
	}
}

func (b *Box) has(vip netip.Addr) bool {
	for _, t := range b.Tables {
		if t.ByVIP[vip] != nil {
			return true
		}
	}
	return false
}

// balancersAmong compares with a box as it was read: which network an address belongs to does not show there.
func (d *differ) balancersAmong(box string, network model.ID, want *Balancers, have map[model.ID]*Balancers) {
	is := &Balancers{ByVIP: map[netip.Addr]*Backends{}}
	for vip := range want.ByVIP {
		for _, t := range have {
			if b := t.ByVIP[vip]; b != nil {
				is.ByVIP[vip] = b
			}
		}
	}
	d.balancers(box, network, want, is)
}

// balancers compares the virtual addresses of one network in one container.
func (d *differ) balancers(box string, network model.ID, want, have *Balancers) {
	if want == have {
		return
	}
	if have == nil {
		have = &Balancers{}
	}
	pair := [2]*Balancers{want, have}
	ops, ok := d.memo[pair]
	if !ok {
		ops = compareBalancers(network, want, have)
		d.memo[pair] = ops
	}
	for _, op := range ops {
		op.Box = box
		d.onto = append(d.onto, op)
	}
}

// compareBackends is [compareMaps] by what backends come to.
func compareBackends[K comparable](want, have map[K]*Backends, compare func(a, b K) int) (put, drop []K) {
	if same(want, have) {
		return nil, nil
	}
	for k, b := range want {
		if is := have[k]; is == nil || is != b && is.Sum != b.Sum {
			put = append(put, k)
		}
	}
	for k := range have {
		if want[k] == nil {
			drop = append(drop, k)
		}
	}
	slices.SortFunc(put, compare)
	slices.SortFunc(drop, compare)
	return put, drop
}

func compareBalancers(network model.ID, want, have *Balancers) (ops []Op) {
	put, drop := compareBackends(want.ByVIP, have.ByVIP, netip.Addr.Compare)
	for _, vip := range put {
		act := added(have.ByVIP[vip] == nil)
		ops = append(ops, Op{Act: act, Kind: KindBalancer, Network: network, Addr: vip, Backends: want.ByVIP[vip]})
	}
	for _, vip := range drop {
		ops = append(ops, Op{Act: Remove, Kind: KindBalancer, Network: network, Addr: vip})
	}
	return ops
}
