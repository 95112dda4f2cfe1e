package allocator

import (
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// waiting plans those that wait for as long as something they may wait for is given up or becomes ready. It ends: who
// waits gives nothing up, and each round begins with a change.
func (p *plan) waiting() {
	for p.stirred {
		p.stirred = false
		var all []model.ID
		for a := range store.Waiting(p.v) {
			all = append(all, a.Owner)
		}
		all, p.stuck = append(all, p.stuck...), nil
		byKind := map[model.AllocKind][]model.ID{}
		seen := map[model.ID]bool{}
		for _, id := range all {
			if a := p.get(id); a != nil && !a.Done && !seen[id] {
				seen[id] = true
				byKind[a.Kind] = append(byKind[a.Kind], id)
				p.stuck = append(p.stuck, id)
			}
		}
		// Networks are not asked again: whatever lets one go on makes all of them due.
		p.services(byKind[model.AllocService])
		for _, id := range byKind[model.AllocNode] {
			p.node(id)
		}
		for _, id := range byKind[model.AllocAttachment] {
			p.guest(id)
		}
		for _, id := range byKind[model.AllocTask] {
			p.task(id)
		}
	}
}
