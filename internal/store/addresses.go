package store

import (
	"cmp"
	"iter"
	"net/netip"

	"github.com/skep-org/skep/internal/model"
)

// The indexes of the allocations: who has an address, and who waits for something, the oldest first.
var (
	addresses          = &Postings[model.Allocation]{name: "network, address", keys: addressKeys}
	allocationsWaiting = &Index[model.Allocation]{name: "waiting", cmp: func(a, b *model.Allocation) int { return cmp.Compare(a.Created, b.Created) },
		where: func(r *model.Allocation) bool { return !r.Done }}
)

// addressKeys are the addresses an owner has. A network's row has subnets instead, which are nobody's address.
func addressKeys(a *model.Allocation) []model.Key {
	if a.Kind == model.AllocNetwork || len(a.Networks) == 0 {
		return nil
	}
	keys := make([]model.Key, len(a.Networks))
	for i, n := range a.Networks {
		keys[i] = addressKey(n.NetworkID, n.Addr.Addr())
	}
	return keys
}

// addressKey keeps the order of addresses: one of IPv4 stands where IPv6 maps it.
func addressKey(network model.ID, a netip.Addr) model.Key {
	if !a.IsValid() {
		return model.KeyOf(network)
	}
	return model.KeyPair(network, a.As16())
}

// AddressesFrom yields the addresses in use on a network in their order, from one on (an invalid one: all), each with
// the allocation that has it.
func AddressesFrom(v View, network model.ID, from netip.Addr) iter.Seq2[netip.Addr, *model.Allocation] {
	return func(yield func(netip.Addr, *model.Allocation) bool) {
		for k, a := range addresses.From(v, addressKey(network, from)) {
			if k.A != network || !yield(netip.AddrFrom16(k.B).Unmap(), a) {
				return
			}
		}
	}
}

// Waiting yields the allocations that wait for something, the oldest first.
func Waiting(v View) iter.Seq[*model.Allocation] {
	return allocationsWaiting.From(v, &model.Allocation{})
}
