package await

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/rollout"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
)

// Look answers about one view, and counts each service once.
type Look struct {
	v     store.View
	known map[question]answer
}

type question struct {
	service   model.ID
	condition dependency.Condition
}

type answer struct {
	have, want uint64
	holds      bool
	never      bool
}

// At looks at a view.
func At(v store.View) *Look { return &Look{v: v, known: map[question]answer{}} }

// Unmet lists what of a set does not hold, and the services that it is found to name.
func (l *Look) Unmet(s dependency.Set) (unmet []dependency.Unmet, on []model.ID) {
	for _, d := range s.List {
		svc := find(l.v, s, d)
		if svc == nil {
			unmet = append(unmet, dependency.Unmet{Dependency: d, Name: s.Names(d)[0], Missing: true})
			continue
		}
		on = append(on, svc.ID)
		if a := l.ask(svc, d.Condition); !a.holds {
			unmet = append(unmet, dependency.Unmet{Dependency: d, Name: svc.Name, Never: a.never, Have: a.have, Want: a.want})
		}
	}
	return unmet, on
}

// find is the service of a dependency; nil: there is none.
func find(v store.View, s dependency.Set, d dependency.Dependency) *model.Service {
	for _, name := range s.Names(d) {
		if svc := store.ServiceNamed(v, name); svc != nil {
			return svc
		}
	}
	return nil
}

func (l *Look) ask(svc *model.Service, c dependency.Condition) answer {
	q := question{svc.ID, c}
	a, known := l.known[q]
	if !known {
		a = l.count(svc, c)
		l.known[q] = a
	}
	return a
}

// count goes through a service's tasks, which come slot by slot.
func (l *Look) count(svc *model.Service, c dependency.Condition) answer {
	s, taken := l.service(svc, c)
	var slot []*model.Task
	for t := range store.TasksOf(l.v, svc.ID) {
		if len(slot) > 0 && (slot[0].Slot != t.Slot || slot[0].NodeID != t.NodeID) {
			s.add(slot)
			slot = slot[:0]
		}
		slot = append(slot, t)
	}
	s.add(slot)
	a := answer{have: s.have, want: s.want()}
	if a.want > 0 {
		a.have = min(a.have, a.want)
	}
	a.holds = taken && a.have >= a.want
	a.never = c == dependency.Completed && a.want > 0 && !model.IsJob(s.spec.Mode) &&
		s.restart.Condition == swarm.RestartPolicyConditionAny && s.restart.MaxAttempts == 0
	return a
}

// service reads what is asked of a service. taken says whether the orchestrator has taken that up: before it has, there are
// no tasks to tell by where it is the nodes that say how many there are to be, or a job's next iteration.
func (l *Look) service(svc *model.Service, c dependency.Condition) (s *service, taken bool) {
	s = &service{v: l.v, condition: c, iteration: uint32(svc.Iteration), spec: &swarm.ServiceSpec{}}
	id := svc.Revision
	r := store.Rollouts.ByID(l.v, svc.ID)
	if taken = rollout.Answers(r, svc); taken {
		id = r.Active
	}
	if rev := store.Revisions.ByID(l.v, id); rev != nil {
		s.spec, s.fingerprint = rev.Spec.Get(), rev.Fingerprint
	}
	s.read()
	if m := s.spec.Mode; m.Global == nil && !model.IsJob(m) {
		taken = true // how many there are to be stands in the spec
	}
	return s, taken
}
