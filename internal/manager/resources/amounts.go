package resources

import (
	"slices"

	"github.com/moby/moby/api/types/swarm"
)

// Amounts are what a task reserves, or what several do together.
type Amounts struct {
	NanoCPUs, Memory int64
	Generic          map[string]int64 // by kind
}

// Of adds up what is offered or asked for; a named resource counts as one of its kind.
func Of(r *swarm.Resources) Amounts {
	if r == nil {
		return Amounts{}
	}
	out := Amounts{NanoCPUs: r.NanoCPUs, Memory: r.MemoryBytes}
	for _, g := range r.GenericResources {
		if out.Generic == nil {
			out.Generic = map[string]int64{}
		}
		if g.NamedResourceSpec != nil {
			out.Generic[g.NamedResourceSpec.Kind]++
		}
		if g.DiscreteResourceSpec != nil {
			out.Generic[g.DiscreteResourceSpec.Kind] += g.DiscreteResourceSpec.Value
		}
	}
	return out
}

// Reserved is what each task of a spec reserves.
func Reserved(task *swarm.TaskSpec) Amounts {
	if task.Resources == nil {
		return Amounts{}
	}
	return Of(task.Resources.Reservations)
}

// Named is one value of a kind of generic resource: a certain graphics card.
type Named swarm.NamedGenericResource

// Offer is what a node has.
type Offer struct {
	Amounts
	Names map[string][]string // the values of the kinds that have them, each once, in the engine's order
}

// OfferOf reads what a node says of itself. Of a kind that has values these are what counts, and no number beside them.
func OfferOf(r *swarm.Resources) Offer {
	o := Offer{Amounts: Of(r)}
	for _, g := range r.GenericResources {
		n := g.NamedResourceSpec
		if n == nil || slices.Contains(o.Names[n.Kind], n.Value) {
			continue
		}
		if o.Names == nil {
			o.Names = map[string][]string{}
		}
		o.Names[n.Kind] = append(o.Names[n.Kind], n.Value)
	}
	for kind, values := range o.Names {
		o.Generic[kind] = int64(len(values))
	}
	return o
}

// Has reports whether what was assigned to a task is still there to be had: its values, and no values of what was counted.
func (o *Offer) Has(assigned []swarm.GenericResource) bool {
	for _, g := range assigned {
		if n := g.NamedResourceSpec; n != nil && !slices.Contains(o.Names[n.Kind], n.Value) {
			return false
		}
		if d := g.DiscreteResourceSpec; d != nil && len(o.Names[d.Kind]) > 0 {
			return false
		}
	}
	return true
}
