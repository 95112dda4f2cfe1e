package converge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
)

// State is how far a service is.
type State uint8

// The states.
const (
	Waiting State = iota
	There
	Failed
)

// Service is one that is waited for.
type Service struct {
	swarm.Service
	Tasks   []swarm.Task
	Changed bool // by this deployment: an older update's outcome is not its
}

// Look says how far a service is, and in words.
func Look(s Service) (State, string) {
	if u := s.UpdateStatus; u != nil {
		switch u.State {
		case swarm.UpdateStatePaused, swarm.UpdateStateRollbackPaused:
			return Failed, "its update is paused: " + cmp.Or(u.Message, "tasks failed")
		case swarm.UpdateStateRollbackCompleted:
			if s.Changed {
				return Failed, "it was rolled back: " + cmp.Or(u.Message, "tasks of the new spec failed")
			}
		case swarm.UpdateStateUpdating:
			done, total := s.done()
			return Waiting, fmt.Sprintf("updating, %d of %d tasks run as asked", done, total) + s.awaits()
		case swarm.UpdateStateRollbackStarted:
			return Waiting, "rolling back: " + cmp.Or(u.Message, "tasks of the new spec failed")
		}
	}
	done, total := s.done()
	verb := "run"
	if s.job() {
		verb = "are complete"
	}
	state := Waiting
	if done >= total {
		state = There
	}
	text := fmt.Sprintf("%d of %d tasks %s", done, total, verb)
	if state == Waiting {
		text += s.awaits()
	}
	return state, text
}

// awaits says for which services its update or its tasks wait: those of the lowest slot speak for all.
func (s Service) awaits() string {
	reason := ""
	if s.UpdateStatus != nil && s.UpdateStatus.State == swarm.UpdateStateUpdating {
		reason = dependency.ReasonIn(s.UpdateStatus.Message)
	}
	slot := 0
	for _, t := range s.Tasks {
		said := dependency.ReasonIn(t.Status.Err)
		if t.Status.State != swarm.TaskStatePending || t.DesiredState == swarm.TaskStateShutdown || t.DesiredState == swarm.TaskStateRemove || said == "" {
			continue
		}
		if reason == "" || t.Slot < slot {
			reason, slot = said, t.Slot
		}
	}
	if reason == "" {
		return ""
	}
	return ", " + reason
}

// Monitor is how long a service has to stay there after it was changed. A cluster that has itself monitored the update has
// said so.
func (s Service) Monitor() time.Duration {
	if !s.Changed || s.job() || s.UpdateStatus != nil && s.UpdateStatus.State == swarm.UpdateStateCompleted {
		return 0
	}
	if u := s.Spec.UpdateConfig; u != nil && u.Monitor > 0 {
		return u.Monitor
	}
	return 5 * time.Second
}

func (s Service) job() bool { return model.IsJob(s.Spec.Mode) }

// done is how many tasks are as asked, and how many there are to be.
func (s Service) done() (done, total uint64) {
	m := s.Spec.Mode
	switch {
	case m.Replicated != nil:
		total = 1
		if m.Replicated.Replicas != nil {
			total = *m.Replicated.Replicas
		}
	case m.ReplicatedJob != nil:
		_, total = model.JobSize(m.ReplicatedJob)
	case s.ServiceStatus != nil:
		total = s.ServiceStatus.DesiredTasks
		if m.GlobalJob != nil {
			total += s.ServiceStatus.CompletedTasks
		}
	}
	if s.job() {
		return s.complete(), total
	}
	return s.running(), total
}

// running counts the tasks that are to run, do, and are made of the present spec.
func (s Service) running() uint64 {
	want := fingerprint(s.Spec.TaskTemplate)
	n := uint64(0)
	for _, t := range s.Tasks {
		if t.DesiredState == swarm.TaskStateRunning && t.Status.State == swarm.TaskStateRunning && fingerprint(t.Spec) == want {
			n++
		}
	}
	return n
}

// complete counts the tasks of the job's present run that have ended well.
func (s Service) complete() uint64 {
	n := uint64(0)
	for _, t := range s.Tasks {
		if t.Status.State == swarm.TaskStateComplete && s.current(t) {
			n++
		}
	}
	return n
}

func (s Service) current(t swarm.Task) bool {
	return s.JobStatus == nil || t.JobIteration == nil || t.JobIteration.Index == s.JobStatus.JobIteration.Index
}

// fingerprint is what a task is made of. Where it may run is left out: a task is not replaced for that. Its runtime is too, as
// services tell theirs and tasks do not.
func fingerprint(t swarm.TaskSpec) string {
	t.Placement, t.Runtime = nil, ""
	b, err := json.Marshal(t)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
