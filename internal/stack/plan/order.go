package plan

import (
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model/dependency"
)

// dependenciesFirst orders services so that each comes after those it depends on: a cluster refuses services that would wait
// for each other, and so it does when half of a stack whose services depend on each other the other way round is written.
func dependenciesFirst(specs []swarm.ServiceSpec) []swarm.ServiceSpec {
	o := order{specs: specs, seen: make([]bool, len(specs))}
	for i := range specs {
		o.visit(i)
	}
	return o.out
}

type order struct {
	specs []swarm.ServiceSpec
	seen  []bool
	out   []swarm.ServiceSpec
}

func (o *order) visit(i int) {
	if o.seen[i] {
		return
	}
	o.seen[i] = true
	set := dependency.Of(o.specs[i].Annotations)
	for _, d := range set.List {
		for _, name := range set.Names(d) {
			if j := o.named(name); j >= 0 {
				o.visit(j)
				break
			}
		}
	}
	o.out = append(o.out, o.specs[i])
}

func (o *order) named(name string) int {
	for i := range o.specs {
		if strings.EqualFold(o.specs[i].Name, name) {
			return i
		}
	}
	return -1
}
