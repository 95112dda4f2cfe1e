package allocator

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// left drops what tasks had that are gone or have ended, and returns the others.
func (p *plan) left(ids []model.ID) []model.ID {
	var rest []model.ID
	for _, id := range ids {
		if t := store.Tasks.ByID(p.v, id); t == nil || p.ended(t) {
			p.drop(id)
		} else {
			rest = append(rest, id)
		}
	}
	return rest
}

// ended reports whether the task holds nothing any more.
func (p *plan) ended(t *model.Task) bool {
	pl := store.Placements.ByID(p.v, t.ID)
	var node *model.NodeState
	if pl != nil && !pl.NodeID.IsZero() {
		node = store.NodeStates.ByID(p.v, pl.NodeID)
	}
	return model.Observe(t, p.get(t.ID), pl, store.Statuses.ByID(p.v, t.ID), node, p.now).State.Terminal()
}

// task lets a task go on once it has an address on every network it joins.
func (p *plan) task(id model.ID) {
	t := store.Tasks.ByID(p.v, id)
	if a := p.get(id); a != nil && a.Done {
		p.audit(a)
		return // what a task was given it keeps: its state never moves backwards
	}
	a := &model.Allocation{Owner: id, Kind: model.AllocTask, Done: true}
	networks, err := p.joins(t)
	if err == nil {
		err = p.addresses(a, networks)
	}
	if err != nil {
		a.Done, a.Networks, a.Err = false, nil, err.Error()
	}
	p.set(a)
}

// addresses gives an owner an address on each network, or nothing at all: two that each wait with half of what they
// need could wait for each other.
func (p *plan) addresses(a *model.Allocation, networks []*model.Network) error {
	chosen := make([]netip.Addr, len(networks))
	for i, n := range networks {
		var err error
		if chosen[i], err = p.space(n).find(); err != nil {
			return err
		}
	}
	for i, n := range networks {
		a.Networks = append(a.Networks, p.space(n).takeNext(chosen[i], a.Owner))
	}
	return nil
}

// joins lists the networks a task needs an address on: the routing mesh's, when its own revision publishes ports there
// or the one its service is at, and those its revision names. It says what the task waits for.
func (p *plan) joins(t *model.Task) ([]*model.Network, error) {
	rev := store.Revisions.ByID(p.v, t.Revision)
	if rev == nil {
		return nil, errors.New("the revision of the service that the task is of does not exist")
	}
	networks, err := p.overlays(rev)
	if err != nil {
		return nil, err
	}
	mesh := publishes(rev)
	if svc := store.Services.ByID(p.v, t.ServiceID); svc != nil {
		active := store.Revisions.ByID(p.v, store.ActiveRevision(p.v, svc))
		mesh = mesh || active != nil && publishes(active)
		if err := p.waitsWith(svc); err != nil {
			return nil, err
		}
	}
	if mesh {
		n, err := p.ingress()
		if err != nil {
			return nil, err
		}
		networks = slices.Insert(networks, 0, n)
	}
	return networks, nil
}

// waitsWith says what a service waits for, and its tasks with it.
func (p *plan) waitsWith(svc *model.Service) error {
	if p.get(svc.ID) == nil {
		p.service(svc)
	}
	if a := p.get(svc.ID); !a.Done {
		return fmt.Errorf("service %s: %s", svc.Name, a.Err)
	}
	return nil
}

// lostWith lists the tasks of a node whose agent was lost, or is to be given up later.
func (p *plan) lostWith(id model.ID) []model.ID {
	n := store.NodeStates.ByID(p.v, id)
	if n != nil && n.State != model.ReachDown {
		return nil
	}
	if n != nil {
		if giveUp := time.Unix(0, n.Since).Add(model.OrphanAfter); p.now.Before(giveUp) {
			p.res.Wakes(control.Key{Kind: kindReach, Key: model.KeyOf(id)}, giveUp)
			return nil
		}
	}
	var tasks []model.ID
	for pl := range store.PlacedOn(p.v, id) {
		tasks = append(tasks, pl.TaskID)
	}
	return tasks
}
