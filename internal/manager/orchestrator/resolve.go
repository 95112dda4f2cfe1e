package orchestrator

import (
	"encoding/binary"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/rollout"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// work is what a set of keys comes down to, each thing once and in the order it was asked for.
type work struct {
	services   []model.ID
	slots      []slotID
	hasService map[model.ID]bool
	hasSlot    map[slotID]bool
	weighed    map[model.ID]bool // nodes on which the reservations were added up
}

// resolve finds the services and slots that keys concern. A slot whose service is looked at anyway is left out.
func (p *plan) resolve(keys []control.Key) work {
	w := work{hasService: map[model.ID]bool{}, hasSlot: map[slotID]bool{}, weighed: map[model.ID]bool{}}
	for _, k := range keys {
		switch k.Kind {
		case kindService:
			w.addService(k.A)
		case kindTask:
			if t := store.Tasks.ByID(p.v, k.A); t != nil {
				p.addSlot(&w, slotOf(t))
			}
		case kindPlaced:
			p.addPlaced(&w, k.A)
		case kindSlot:
			p.addSlot(&w, slotIDOf(k))
		case kindNode:
			p.addNode(&w, k.A)
			p.displace(&w, k.A)
		case kindVolume:
			for pl := range store.PlacedWith(p.v, k.A) {
				if t := store.Tasks.ByID(p.v, pl.TaskID); t != nil {
					p.addSlot(&w, slotOf(t))
				}
			}
		case kindAll:
			for s := range store.Services.All(p.v) {
				w.addService(s.ID)
			}
		}
	}
	return w
}

// loadSlots reads the slots that are looked at alone. The service of a slot that waits to be updated is added: how
// many may be at once is not the slot's business.
func (p *plan) loadSlots(w *work) []*slot {
	var out []*slot
	for _, id := range w.slots {
		if w.hasService[id.service] {
			continue
		}
		sl := p.slot(id)
		if s := p.settledService(id.service); s != nil {
			if !id.node.IsZero() {
				p.fitNode(s, sl)
			}
			if p.stale(s, sl) && !rollout.Paused(s.rollout.State) {
				w.addService(id.service)
				continue
			}
		}
		out = append(out, sl)
	}
	return out
}

func (w *work) addService(id model.ID) {
	if !w.hasService[id] {
		w.hasService[id] = true
		w.services = append(w.services, id)
	}
}

// addSlot adds a slot, or its whole service where a slot's tasks are not the slot's business alone.
func (p *plan) addSlot(w *work, s slotID) {
	if w.hasService[s.service] || w.hasSlot[s] {
		return
	}
	if svc := store.Services.ByID(p.v, s.service); svc != nil {
		r := store.Rollouts.ByID(p.v, s.service)
		if !rollout.Answers(r, svc) || r.State.InProgress() || model.IsJob(p.revision(r.Active).spec.Mode) {
			w.addService(s.service)
			return
		}
	}
	w.hasSlot[s] = true
	w.slots = append(w.slots, s)
}

// addPlaced adds the slot of a task that was given a node, and what cannot stay there beside it.
func (p *plan) addPlaced(w *work, task model.ID) {
	t, pl := store.Tasks.ByID(p.v, task), store.Placements.ByID(p.v, task)
	if t == nil {
		return
	}
	p.addSlot(w, slotOf(t))
	if pl != nil && p.placedBlindly(pl) {
		p.displace(w, pl.NodeID)
	}
}

// addNode adds the slots of the tasks on a node, and every global service, which may want one there.
func (p *plan) addNode(w *work, node model.ID) {
	for pl := range store.PlacedOn(p.v, node) {
		if t := store.Tasks.ByID(p.v, pl.TaskID); t != nil {
			p.addSlot(w, slotOf(t))
		}
	}
	for svc := range store.GlobalServices(p.v) {
		p.addSlot(w, slotID{service: svc.ID, node: node})
	}
}

// slotIDOf undoes slotID.key.
func slotIDOf(k control.Key) slotID {
	if [8]byte(k.B[:8]) == [8]byte{} {
		return slotID{service: k.A, number: binary.BigEndian.Uint64(k.B[8:])}
	}
	return slotID{service: k.A, node: k.B}
}
