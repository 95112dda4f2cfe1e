package allocator

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// plan is one call of Plan: the view, and what was decided over it so far.
type plan struct {
	v       store.View
	now     time.Time
	res     control.Result
	decided map[model.ID]*model.Allocation // nil: the row is to go
	stuck   []model.ID                     // decided to wait, in order
	stirred bool                           // something was given up, or became ready, that others may wait for
	spaces  map[model.ID]*space
	used    []*space // in the order of their first use
	held    ports
	wanted  map[port]bool                  // see portsAsked
	chosen  model.ID                       // the service a port was last chosen for
	also    map[model.AllocKind][]model.ID // owners that what became of a network concerns
}

func newPlan(v store.View, now time.Time) *plan {
	return &plan{v: v, now: now, decided: map[model.ID]*model.Allocation{}, spaces: map[model.ID]*space{}, also: map[model.AllocKind][]model.ID{}}
}

// get is the owner's allocation with what this plan decided.
func (p *plan) get(owner model.ID) *model.Allocation {
	if a, ok := p.decided[owner]; ok {
		return a
	}
	return store.Allocations.ByID(p.v, owner)
}

// set writes a row unless it says what is there already.
func (p *plan) set(a *model.Allocation) {
	old := p.get(a.Owner)
	if a.Repaired() == "" && old != nil {
		a.SetRepaired(old.Repaired())
	}
	if same(old, a) {
		return
	}
	p.gaveUp(old, a)
	if a.Kind == model.AllocService || a.Kind == model.AllocNetwork {
		p.stirred = true
	}
	if !a.Done {
		p.stuck = append(p.stuck, a.Owner)
	}
	if p.held != nil {
		p.held.change(old, a)
	}
	p.decided[a.Owner] = a
	p.res.Changes = append(p.res.Changes, store.Allocations.Put(a))
}

// drop removes the owner's row, if it has one.
func (p *plan) drop(owner model.ID) {
	old := p.get(owner)
	if old == nil {
		return
	}
	p.gaveUp(old, nil)
	if p.held != nil {
		p.held.change(old, nil)
	}
	p.decided[owner] = nil
	p.res.Changes = append(p.res.Changes, store.Allocations.Delete(model.KeyOf(owner)))
}

// gaveUp notes what old has and cur has not, cur being nil for a row that goes.
func (p *plan) gaveUp(old, cur *model.Allocation) {
	if old == nil {
		return
	}
	for _, n := range old.Networks {
		if cur != nil && slices.Contains(cur.Networks, n) {
			continue
		}
		p.stirred = true
		if old.Kind != model.AllocNetwork {
			p.released(n)
		}
	}
	p.stirred = p.stirred || len(old.Ports) > 0
}

func same(a, b *model.Allocation) bool {
	return a != nil && a.Kind == b.Kind && a.Done == b.Done && a.Err == b.Err && a.VNI == b.VNI &&
		a.Warning() == b.Warning() && a.Repaired() == b.Repaired() &&
		slices.Equal(a.Networks, b.Networks) && slices.Equal(a.Ports, b.Ports)
}

// has reports whether an owner has an address, with what this plan decided.
func (p *plan) has(owner, network model.ID, addr netip.Addr) bool {
	a := p.get(owner)
	return a != nil && slices.ContainsFunc(a.Networks, func(n model.NetworkAddr) bool {
		return n.NetworkID == network && n.Addr.Addr() == addr
	})
}

// still is has for a row of the view that has the address: only a decision of this plan can have changed that.
func (p *plan) still(row *model.Allocation, network model.ID, addr netip.Addr) bool {
	if _, ok := p.decided[row.Owner]; !ok {
		return true
	}
	return p.has(row.Owner, network, addr)
}

// addressOf is what an owner has on a network; nil: nothing.
func addressOf(a *model.Allocation, network model.ID) *model.NetworkAddr {
	if a == nil {
		return nil
	}
	for i := range a.Networks {
		if a.Networks[i].NetworkID == network {
			return &a.Networks[i]
		}
	}
	return nil
}

// older orders networks and services by age, so that the one that waits longest is served first.
func older(a, b *model.Meta, aID, bID model.ID) int {
	return cmp.Or(cmp.Compare(a.Created, b.Created), aID.Compare(bID))
}
