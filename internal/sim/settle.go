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
	// patience bounds how long a cluster may then take to do what is asked of it.
	patience = 3 * time.Minute
	// quiet is how long nothing may be written at the end.
	quiet = time.Minute
)

// settle ends the faults and holds the cluster to what is asked of it.
func (w *world) settle() {
	w.trace("calm")
	w.calm = true
	w.net.heal()
	for _, n := range w.nodes {
		n.engine.Recover()
	}
	for _, m := range w.members {
		m.slow, m.full = false, false
	}
	w.activateAll(w.now().Add(calmDown / 4))
	w.runUntil(w.now().Add(calmDown))
	var why error
	for begin := w.now(); w.err == nil; w.runUntil(w.now().Add(time.Second)) {
		if why = w.converged(); why == nil {
			w.settled = w.now().Sub(begin)
			break
		}
		if w.now().Sub(begin) > patience {
			w.fail("%s after the last fault and command: %w", patience+calmDown, why)
		}
	}
	w.runUntil(w.now().Add(quiet)) // monitors of updates end
	index := len(w.ref.history)
	w.runUntil(w.now().Add(quiet))
	if why := w.converged(); why != nil {
		w.fail("the cluster had what was asked of it, and then: %w", why)
	}
	if len(w.ref.history) != index {
		w.fail("nothing happens and %d entries were written in a minute", len(w.ref.history)-index)
	}
}

// activateAll takes back the nodes that users drained, again and again for a while: who leads may be deposed just now,
// and what users asked last may come about only later.
func (w *world) activateAll(until time.Time) {
	w.whenLeading(func(m *member) {
		b := &store.Batch{Writer: store.WriterAPI}
		for _, n := range w.nodes {
			if store.NodeSpecs.ByID(w.view(), n.id).Spec.Get().Availability != swarm.NodeAvailabilityActive {
				b.Changes = append(b.Changes, setAvailability(m.store.View(), n, swarm.NodeAvailabilityActive))
			}
		}
		if len(b.Changes) > 0 {
			m.rep.Commit(b)
		}
		if w.now().Before(until) {
			w.after(time.Second, func() { w.activateAll(until) })
		}
	})
}

// whenLeading waits for a leader that nothing will take the lead from.
func (w *world) whenLeading(f func(*member)) {
	if m := w.leader(); m.term != nil {
		f(m)
		return
	}
	w.after(50*time.Millisecond, func() { w.whenLeading(f) })
}

// oneLeader: all managers run, agree on who leads, and hold the same tables.
func (w *world) oneLeader() error {
	index := w.view().Index()
	for _, m := range w.members {
		switch {
		case !m.proc.up() || m.proc.stopped:
			return fmt.Errorf("m%d does not run", m.id)
		case m.lead.Leader == 0 || m.lead.Leader != w.members[0].lead.Leader:
			return fmt.Errorf("m%d follows %d, m1 follows %d", m.id, m.lead.Leader, w.members[0].lead.Leader)
		case m.store.View().Index() < index:
			return fmt.Errorf("m%d has applied %d of %d entries", m.id, m.store.View().Index(), index)
		}
		w.hashed(m, m.store.View())
	}
	if w.members[w.members[0].lead.Leader-1].term == nil {
		return fmt.Errorf("there is no leader")
	}
	return nil
}

// converged reports what differs from what is asked.
func (w *world) converged() error {
	if err := w.oneLeader(); err != nil {
		return err
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
	return w.planesConverged(v)
}

func (w *world) serviceConverged(v store.View, s *model.Service, running map[model.ID]bool) error {
	r := store.Rollouts.ByID(v, s.ID)
	if r == nil || r.AskedIndex != s.Index {
		return fmt.Errorf("what was asked last has not been taken up")
	}
	active := store.Revisions.ByID(v, r.Active)
	spec := active.Spec.Get()
	if waits, err := bides(v, s, spec); waits {
		return err
	}
	if model.IsJob(spec.Mode) {
		return w.jobConverged(v, s, spec)
	}
	if r.State.InProgress() {
		return fmt.Errorf("its rollout is still going on")
	}
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
