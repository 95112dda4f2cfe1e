package sim

import (
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

const (
	// calmDown is how long containers that were started to crash may take to do so, and what waits for a restart to
	// be tried again.
	calmDown = 2 * time.Minute
	// patience bounds how long a cluster may take to do what is asked of it once nothing breaks any more.
	patience = 20 * time.Minute
	// quiet is how long nothing may be written at the end.
	quiet = time.Minute
)

// settle ends the faults and holds the cluster to what is asked of it.
func (w *world) settle() {
	w.trace("calm")
	w.calm = true
	for _, n := range w.nodes {
		n.engine.Recover()
	}
	w.whenLeading(func() {
		for _, n := range w.nodes {
			w.setAvailability(n, swarm.NodeAvailabilityActive)
		}
	})
	w.runUntil(w.now().Add(calmDown))
	var why error
	for end := w.now().Add(patience); w.err == nil; w.runUntil(w.now().Add(time.Second)) {
		if why = w.converged(); why == nil {
			break
		}
		if w.now().After(end) {
			w.fail("%s after the last fault and command: %w", patience+calmDown, why)
		}
	}
	w.runUntil(w.now().Add(quiet)) // monitors of updates end
	index := len(w.history)
	w.runUntil(w.now().Add(quiet))
	if why := w.converged(); why != nil {
		w.fail("the cluster had what was asked of it, and then: %w", why)
	}
	if len(w.history) != index {
		w.fail("nothing happens and %d entries were written in a minute", len(w.history)-index)
	}
}

// converged reports what differs from what is asked.
func (w *world) converged() error {
	if !w.manager.leading {
		return fmt.Errorf("there is no leader")
	}
	v := w.view()
	running := map[model.ID]bool{} // tasks whose containers run
	for _, n := range w.nodes {
		if st := store.NodeStates.ByID(v, n.id); st == nil || st.State != model.ReachReady {
			return fmt.Errorf("%s is not ready", n.name)
		}
		list, err := n.engine.List()
		if err != nil {
			return err
		}
		for _, c := range list {
			t := store.Tasks.ByID(v, c.TaskID)
			if t == nil {
				return fmt.Errorf("there is a container on %s for task %s, which has no row", n.name, c.TaskID)
			}
			if c.Phase == executor.Running && t.Desired >= model.StateShutdown {
				return fmt.Errorf("the container of task %s runs though it is wanted %s", c.TaskID, t.Desired)
			}
			running[c.TaskID] = c.Phase == executor.Running
		}
	}
	for s := range store.Services.All(v) {
		if err := w.serviceConverged(v, s, running); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	for t := range store.Tasks.All(v) {
		if store.Services.ByID(v, t.ServiceID) == nil {
			return fmt.Errorf("task %s is left of a service that was removed", t.ID)
		}
	}
	for st := range store.Statuses.All(v) {
		if store.Tasks.ByID(v, st.TaskID) == nil {
			return fmt.Errorf("a status is left of task %s, which was removed", st.TaskID)
		}
	}
	return nil
}

func (w *world) serviceConverged(v store.View, s *model.Service, running map[model.ID]bool) error {
	r := store.Rollouts.ByID(v, s.ID)
	if r == nil || r.AskedIndex != s.Index {
		return fmt.Errorf("what was asked last has not been taken up")
	}
	if r.State.InProgress() {
		return fmt.Errorf("its rollout is still going on")
	}
	active := store.Revisions.ByID(v, r.Active)
	spec := active.Spec.Get()
	count := map[slot]int{}
	for t := range store.TasksOf(v, s.ID) {
		if t.Desired > model.StateRunning {
			continue
		}
		st := store.Statuses.ByID(v, t.ID)
		if st == nil || st.State != model.StateRunning || !running[t.ID] {
			continue
		}
		count[slot{s.ID, t.Slot, t.NodeID}]++
		rev := store.Revisions.ByID(v, t.Revision)
		if settled(r.State) && !mayEnd(spec) && (rev == nil || rev.Fingerprint != active.Fingerprint) {
			return fmt.Errorf("task %s is of revision %s, the rollout's active one is %s: %s %q", t.ID, short(t.Revision), short(r.Active), r.State.Swarm(), r.Message)
		}
	}
	want := len(w.nodes)
	if spec.Mode.Replicated != nil {
		want = int(*spec.Mode.Replicated.Replicas)
	}
	for sl, n := range count {
		if n > 1 {
			return fmt.Errorf("slot %d has %d tasks that run", sl.number, n)
		}
	}
	if len(count) > want || len(count) < want && !mayEnd(spec) {
		return fmt.Errorf("%d slots have a task that runs, %d are asked for", len(count), want)
	}
	return nil
}

// settled reports whether every task is to be of the active revision: a paused update leaves the others as they are.
func settled(s model.RolloutState) bool {
	return s != model.RolloutPaused && s != model.RolloutRollbackPaused
}

// mayEnd reports whether a service's restart policy lets a slot stay empty, or with the task before the one that
// failed.
func mayEnd(s *swarm.ServiceSpec) bool {
	p := s.TaskTemplate.RestartPolicy
	return p.Condition != swarm.RestartPolicyConditionAny || p.MaxAttempts != nil
}
