package scheduler

import (
	"maps"
	"slices"

	"github.com/moby/moby/api/types/swarm"
)

// named is one value of a kind of generic resource: a certain graphics card.
type named swarm.NamedGenericResource

// namesOf lists the values a node offers by kind, each once.
func namesOf(r *swarm.Resources) map[string][]string {
	var out map[string][]string
	for _, g := range r.GenericResources {
		n := g.NamedResourceSpec
		if n == nil || slices.Contains(out[n.Kind], n.Value) {
			continue
		}
		if out == nil {
			out = map[string][]string{}
		}
		out[n.Kind] = append(out[n.Kind], n.Value)
	}
	return out
}

// hasNames reports whether enough values of a kind are free; a kind that is only counted has none to be free. Tasks that
// were placed before values were assigned hold none, but are counted.
func (n *node) hasNames(kind string, amount int64) bool {
	names := n.names[kind]
	return len(names) == 0 || int64(len(n.free(kind))) >= amount
}

// free lists the values of a kind that no task has.
func (n *node) free(kind string) []string {
	var out []string
	for _, value := range n.names[kind] {
		if n.held[named{kind, value}] == 0 {
			out = append(out, value)
		}
	}
	return out
}

// assign chooses what of the node's generic resources is a task's, which the node has room for: of a kind with values the
// first free ones in the engine's order, of others the count.
func (n *node) assign(ask *resources) []swarm.GenericResource {
	var out []swarm.GenericResource
	for _, kind := range slices.Sorted(maps.Keys(ask.generic)) {
		amount := ask.generic[kind]
		switch {
		case amount <= 0:
		case len(n.names[kind]) == 0:
			out = append(out, swarm.GenericResource{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: kind, Value: amount}})
		default:
			for _, value := range n.free(kind)[:amount] {
				out = append(out, swarm.GenericResource{NamedResourceSpec: &swarm.NamedGenericResource{Kind: kind, Value: value}})
			}
		}
	}
	return out
}
