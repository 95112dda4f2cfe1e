package allocator

import (
	"fmt"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// audit looks whether a task's addresses are its own. There is no way to two owners of one but a state that was written
// by something else than this planner; a container that runs keeps its address all the same, until it is replaced.
func (p *plan) audit(a *model.Allocation) {
	for i, n := range a.Networks {
		row := store.Networks.ByID(p.v, n.NetworkID)
		if row == nil || p.space(row) == nil {
			continue
		}
		other := p.space(row).holder(n.Addr.Addr(), a.Owner)
		if other.IsZero() || p.precedes(a, p.get(other)) {
			continue
		}
		next := *a
		next.Networks = slices.Clone(a.Networks)
		addr, err := p.space(row).find()
		if p.fixed(a) || err != nil {
			next.SetRepaired(fmt.Sprintf("the address %s is that of %s, too; replace the task with docker service update --force", n.Addr.Addr(), other))
		} else {
			next.Networks[i] = p.space(row).takeNext(addr, a.Owner)
			next.SetRepaired(fmt.Sprintf("the address %s was that of %s, too; the task was given %s", n.Addr.Addr(), other, addr))
		}
		p.set(&next)
		a = &next
	}
}

// fixed reports whether a container may run with an owner's addresses: it cannot be given others.
func (p *plan) fixed(a *model.Allocation) bool {
	switch a.Kind {
	case model.AllocAttachment:
		return true
	case model.AllocTask:
		pl := store.Placements.ByID(p.v, a.Owner)
		return store.Statuses.ByID(p.v, a.Owner) != nil || pl != nil && !pl.NodeID.IsZero()
	}
	return false
}

// precedes says who of two that have the same address keeps it: whose container may run, then the older.
func (p *plan) precedes(a, b *model.Allocation) bool {
	if fa, fb := p.fixed(a), p.fixed(b); fa != fb {
		return fa
	}
	return older(&a.Meta, &b.Meta, a.Owner, b.Owner) < 0
}
