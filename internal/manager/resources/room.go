package resources

import (
	"maps"
	"slices"

	"github.com/moby/moby/api/types/swarm"
)

// Room is what a node offers and what tasks have taken of it. The zero Room offers nothing.
type Room struct {
	Offer Offer         // may be replaced at any time; what is taken stays taken
	Used  Amounts       // to be read
	Held  map[Named]int // to be read: values that tasks have
}

// Take counts a task in, with the generic resources that were assigned to it.
func (r *Room) Take(a *Amounts, assigned []swarm.GenericResource) { r.add(a, assigned, +1) }

// Return counts a task out that was taken in with the same amounts and resources.
func (r *Room) Return(a *Amounts, assigned []swarm.GenericResource) { r.add(a, assigned, -1) }

func (r *Room) add(a *Amounts, assigned []swarm.GenericResource, by int) {
	r.Used.NanoCPUs += int64(by) * a.NanoCPUs
	r.Used.Memory += int64(by) * a.Memory
	for kind, amount := range a.Generic {
		addTo(&r.Used.Generic, kind, int64(by)*amount)
	}
	for _, g := range assigned {
		if g.NamedResourceSpec != nil {
			addTo(&r.Held, Named(*g.NamedResourceSpec), by)
		}
	}
}

// Fits reports whether there is room for another task. Tasks that were placed before values were assigned hold none, but
// are counted: of a kind with values there must be enough by either.
func (r *Room) Fits(ask *Amounts) bool {
	if !r.enough(ask) {
		return false
	}
	for kind, amount := range ask.Generic {
		if len(r.Offer.Names[kind]) > 0 && int64(len(r.free(kind))) < amount {
			return false
		}
	}
	return true
}

// Keeps reports whether there is room for a task that already has what was assigned to it.
func (r *Room) Keeps(ask *Amounts, assigned []swarm.GenericResource) bool {
	return r.enough(ask) && r.Offer.Has(assigned)
}

func (r *Room) enough(ask *Amounts) bool {
	have, used := &r.Offer.Amounts, &r.Used
	if ask.NanoCPUs > 0 && ask.NanoCPUs > have.NanoCPUs-used.NanoCPUs || ask.Memory > 0 && ask.Memory > have.Memory-used.Memory {
		return false
	}
	for kind, amount := range ask.Generic {
		if amount > 0 && amount > have.Generic[kind]-used.Generic[kind] {
			return false
		}
	}
	return true
}

// Assign chooses what of the node's generic resources is a task's that fits: of a kind with values the first free ones in
// the engine's order, of others the count.
func (r *Room) Assign(ask *Amounts) []swarm.GenericResource {
	var out []swarm.GenericResource
	for _, kind := range slices.Sorted(maps.Keys(ask.Generic)) {
		amount := ask.Generic[kind]
		switch {
		case amount <= 0:
		case len(r.Offer.Names[kind]) == 0:
			out = append(out, swarm.GenericResource{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: kind, Value: amount}})
		default:
			for _, value := range r.free(kind)[:amount] {
				out = append(out, swarm.GenericResource{NamedResourceSpec: &swarm.NamedGenericResource{Kind: kind, Value: value}})
			}
		}
	}
	return out
}

// free lists the values of a kind that no task has.
func (r *Room) free(kind string) []string {
	var out []string
	for _, value := range r.Offer.Names[kind] {
		if r.Held[Named{kind, value}] == 0 {
			out = append(out, value)
		}
	}
	return out
}

// addTo leaves no zero behind.
func addTo[K comparable, N int | int64](m *map[K]N, k K, by N) {
	if *m == nil {
		*m = map[K]N{}
	}
	if (*m)[k] += by; (*m)[k] == 0 {
		delete(*m, k)
	}
}
