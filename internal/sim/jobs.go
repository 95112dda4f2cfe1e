package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/simulated"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// jobImage is what containers are made of that end by themselves.
const jobImage = "batch"

// newJob makes a drawn service a job.
func (w *world) newJob(spec swarm.ServiceSpec) swarm.ServiceSpec {
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: jobImage + ":0"}
	if w.chance(300) {
		spec.Mode.GlobalJob = &swarm.GlobalJob{}
	} else {
		spec.Mode.ReplicatedJob = w.newSize()
	}
	w.changePolicies(&spec)
	w.joinNetworks(&spec)
	return spec
}

func (w *world) newSize() *swarm.ReplicatedJob {
	concurrent, total := uint64(1+w.rng.IntN(3)), uint64(w.rng.IntN(7))
	return &swarm.ReplicatedJob{MaxConcurrent: &concurrent, TotalCompletions: &total}
}

// behaveAsJob is how a job's container behaves; nil for others.
func (w *world) behaveAsJob(t *executor.Task) *simulated.Behaviour {
	if t.Spec == nil || t.Spec.ContainerSpec == nil || !strings.HasPrefix(t.Spec.ContainerSpec.Image, jobImage) {
		return nil
	}
	b := &simulated.Behaviour{RunFor: 1 + w.upTo(10*time.Second), StopTakes: w.upTo(time.Second)}
	if !w.calm && w.chance(200) {
		b.ExitCode = 1
	}
	return b
}

// jobWanted holds a job's newest iteration against its size whenever one of its tasks was written. The orchestrator may
// not have taken up yet what was asked last: the size is that of the revision the tasks are of.
func (c *checks) jobWanted(w *world, v store.View, e store.Event) {
	t, _ := e.New.(*model.Task)
	if t == nil {
		return
	}
	rev := store.Revisions.ByID(v, t.Revision)
	if rev == nil || !model.IsJob(rev.Spec.Get().Mode) {
		return
	}
	wanted, completed := map[slot]int{}, map[slot]bool{}
	for other := range store.TasksOf(v, t.ServiceID) {
		if other.Iteration > t.Iteration {
			return // what was written is of an earlier iteration
		}
		if other.Iteration < t.Iteration {
			continue
		}
		at, st := slot{other.ServiceID, other.Slot, other.NodeID}, store.Statuses.ByID(v, other.ID)
		switch {
		case st != nil && st.State == model.StateComplete:
			completed[at] = true
			if s := c.tasks[other.ID]; e.Old == nil && other.Slot == t.Slot && other.NodeID == t.NodeID && s != nil && !s.lost {
				w.fail("slot %d of job %s has completed, and gets another task in iteration %d", t.Slot, t.ServiceID, t.Iteration)
			}
		case other.Desired < model.StateShutdown && (st == nil || !st.State.Terminal()):
			if wanted[at]++; wanted[at] > 1 {
				w.fail("of slot %d of job %s %d tasks are wanted in iteration %d", other.Slot, t.ServiceID, wanted[at], t.Iteration)
			}
		}
	}
	job := rev.Spec.Get().Mode.ReplicatedJob
	if job == nil {
		return
	}
	for at := range completed {
		delete(wanted, at) // of a task that was lost, heard of late: the one that replaces it is about to be stopped
	}
	concurrent, total := model.JobSize(job)
	if uint64(len(wanted)) > concurrent || uint64(len(wanted)+len(completed)) > total {
		w.fail("of job %s %d tasks are wanted and %d have completed: at most %d at once and %d in all are asked for",
			t.ServiceID, len(wanted), len(completed), concurrent, total)
	}
}

// jobConverged reports how a job's present iteration differs from what is asked.
func (w *world) jobConverged(v store.View, s *model.Service, spec *swarm.ServiceSpec) error {
	completed := map[slot]bool{}
	for t := range store.TasksOf(v, s.ID) {
		st := store.Statuses.ByID(v, t.ID)
		ended := st != nil && st.State.Terminal()
		if t.Desired < model.StateShutdown && !ended {
			return fmt.Errorf("task %s of iteration %d has not ended", t.ID, t.Iteration)
		}
		if uint64(t.Iteration) == s.Iteration && ended && st.State == model.StateComplete {
			completed[slot{s.ID, t.Slot, t.NodeID}] = true
		}
	}
	want := uint64(len(w.nodes))
	if spec.Mode.ReplicatedJob != nil {
		_, want = model.JobSize(spec.Mode.ReplicatedJob)
	}
	if n := uint64(len(completed)); n > want || n < want && !mayEnd(spec) {
		return fmt.Errorf("%d of its slots have completed in iteration %d, %d are asked for", n, s.Iteration, want)
	}
	return nil
}
