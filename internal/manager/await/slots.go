package await

import (
	"cmp"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/restart"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
)

// service is one that others wait for, while its slots are counted.
type service struct {
	v           store.View
	condition   dependency.Condition
	spec        *swarm.ServiceSpec
	fingerprint [16]byte
	restart     restart.Policy
	iteration   uint32
	have        uint64 // slots that are as the condition says
	live        uint64 // slots that are wanted, as their tasks say
}

func (s *service) read() { s.restart = restart.Of(s.spec.TaskTemplate.RestartPolicy) }

// want is how many slots are to be as the condition says. Where it is the nodes that say it, the tasks on them do.
func (s *service) want() uint64 {
	switch m := s.spec.Mode; {
	case m.Global != nil || m.GlobalJob != nil:
		return s.live
	case m.ReplicatedJob != nil:
		concurrent, total := model.JobSize(m.ReplicatedJob)
		if s.condition != dependency.Completed {
			return min(concurrent, total)
		}
		return total
	case m.Replicated != nil && m.Replicated.Replicas != nil:
		return *m.Replicated.Replicas
	}
	return 1
}

// add counts one slot.
func (s *service) add(tasks []*model.Task) {
	if len(tasks) == 0 {
		return
	}
	holds, wanted := s.slot(tasks)
	if model.IsJob(s.spec.Mode) {
		holds, wanted = s.turn(tasks)
	}
	if holds {
		s.have++
	}
	if wanted {
		s.live++
	}
}

// slot says of a service's slot whether it is as the condition says, and whether it counts.
func (s *service) slot(tasks []*model.Task) (holds, wanted bool) {
	newest := tasks[0]
	serves, rests := false, true
	for _, t := range tasks {
		if cmp.Or(cmp.Compare(t.Created, newest.Created), cmp.Compare(t.Index, newest.Index)) > 0 {
			newest = t
		}
		state, _ := s.state(t)
		if t.Desired > model.StateComplete || state.Terminal() {
			continue
		}
		rests = false
		serves = serves || s.serves(state)
	}
	done := rests && s.rests(newest)
	wanted = !rests || s.endedItself(newest)
	switch s.condition {
	case dependency.Completed:
		return done && s.present(newest), wanted
	case dependency.Started:
		return serves || done, wanted
	}
	return serves, wanted
}

// turn says that of a job's slot.
func (s *service) turn(tasks []*model.Task) (holds, wanted bool) {
	for _, t := range tasks {
		if t.Iteration != s.iteration {
			continue
		}
		state, _ := s.state(t)
		wanted = true
		serves := s.condition != dependency.Completed && t.Desired <= model.StateComplete && s.serves(state)
		holds = holds || state == model.StateComplete || serves
	}
	return holds, wanted
}

// serves reports whether a task in this state is as started or healthy asks.
func (s *service) serves(state model.State) bool {
	return state == model.StateRunning || state == model.StateStarting && s.condition == dependency.Started
}

// endedItself reports whether a task came to its end before anyone asked for it.
func (s *service) endedItself(t *model.Task) bool {
	state, status := s.state(t)
	return state.Terminal() && state != model.StateOrphaned && (t.StopAt == 0 || status.At < t.StopAt || status.At == t.StopAt && state != model.StateShutdown)
}

// rests reports whether a slot's newest task has completed by itself, and is not followed by another.
func (s *service) rests(t *model.Task) bool {
	state, status := s.state(t)
	if state != model.StateComplete || !s.endedItself(t) {
		return false
	}
	row := model.Slot{ServiceID: t.ServiceID, Slot: t.Slot, NodeID: t.NodeID}
	end := restart.EndOf(t, model.Observed{State: state, At: status.At}, status)
	return !s.restart.Allows(store.Slots.Get(s.v, row.Key()), end)
}

// present reports whether a task is as the active revision asks.
func (s *service) present(t *model.Task) bool {
	rev := store.Revisions.ByID(s.v, t.Revision)
	return rev != nil && rev.Fingerprint == s.fingerprint
}

// state is what was reported of a task last.
func (s *service) state(t *model.Task) (model.State, *model.TaskStatus) {
	st := store.Statuses.ByID(s.v, t.ID)
	if st == nil {
		return model.StateNew, nil
	}
	return st.State, st
}
