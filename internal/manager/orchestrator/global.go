package orchestrator

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// fitNodes has fit decide for every node there is, or was, whether a slot of a global service or job is to be there.
func (p *plan) fitNodes(s *service, fit func(*service, *slot)) {
	has := make(map[model.ID]bool, len(s.slots))
	for _, sl := range s.slots {
		has[sl.node] = true
		fit(s, sl)
	}
	for spec := range store.NodeSpecs.All(p.v) {
		if has[spec.ID] {
			continue
		}
		sl := p.newSlot(slotID{service: s.id, node: spec.ID})
		if fit(s, sl); sl.mode == serve {
			s.slots = append(s.slots, sl)
		}
	}
}

// fitNode decides about one node's slot.
func (p *plan) fitNode(s *service, sl *slot) {
	n := p.node(sl.node)
	sl.mode, sl.why = serve, model.ReasonNone
	if why := n.leave(s.active); why != model.ReasonNone {
		sl.mode, sl.why = leave, why
		if n.gone {
			p.remove(sl, why) // it will not come back: no history either
		}
	} else if !n.ready {
		sl.mode = hold
	}
}
