package orchestrator

import (
	"cmp"
	"time"

	"github.com/skep-org/skep/internal/manager/restart"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// run is one task: as it is, and as this plan will have it.
type run struct {
	old    *model.Task // nil for a new one
	task   model.Task
	seen   model.Observed
	status *model.TaskStatus
	node   *node // where it is, or has to be; nil while that is open
	placed bool
	drop   bool // its row is to be deleted
}

func (p *plan) run(t *model.Task) *run {
	r := &run{old: t, task: *t}
	r.task.Displaced = t.Displaced || p.displaced[t.ID]
	placement := store.Placements.ByID(p.v, t.ID)
	r.placed = placement != nil && !placement.NodeID.IsZero()
	at := t.NodeID
	if r.placed {
		at = placement.NodeID
	}
	var state *model.NodeState
	if !at.IsZero() {
		r.node = p.node(at)
		state = r.node.state
	}
	r.status = store.Statuses.ByID(p.v, t.ID)
	r.seen = model.Observe(t, store.Allocations.ByID(p.v, t.ID), placement, r.status, state, p.now)
	return r
}

// wanted reports whether the task is to run, or to be ready to; of a job also whether it did and that was all.
func (r *run) wanted() bool { return !r.drop && r.task.Desired <= model.StateComplete }

func (r *run) ended() bool { return r.old != nil && r.seen.State.Terminal() }

// endedItself reports whether the task came to its end before anyone asked for it.
func (r *run) endedItself() bool {
	if !r.ended() || r.seen.State == model.StateOrphaned {
		return false
	}
	asked := r.task.StopAt
	return asked == 0 || r.seen.At < asked || r.seen.At == asked && r.seen.State != model.StateShutdown
}

// over reports whether nothing of the task can run any more, now that it is not wanted.
func (r *run) over() bool { return !r.wanted() && (r.ended() || !r.placed) }

// guard has the plan refused that takes the task for one that no node has, if the scheduler has placed it meanwhile.
func (p *plan) guard(r *run) {
	if r.old == nil || r.placed || r.wanted() || r.ended() {
		return
	}
	at := store.Placements.Absent(r.task.Key())
	if row := store.Placements.ByID(p.v, r.task.ID); row != nil {
		at = store.Placements.At(row)
	}
	p.res.Conditions = append(p.res.Conditions, at)
}

// blocks reports whether a successor must not start yet.
func (r *run) blocks() bool { return !r.wanted() && !r.over() && (r.node == nil || !r.node.lost) }

func (r *run) running() bool { return r.seen.State == model.StateRunning }

// leave says why the task may not stay where it is.
func (p *plan) leave(r *run) model.Reason {
	if r.node == nil {
		return model.ReasonNone
	}
	if r.seen.State == model.StateOrphaned {
		return model.ReasonNodeGone
	}
	if why := r.node.leave(p.revision(r.task.Revision)); why != model.ReasonNone {
		return why
	}
	if r.task.Displaced {
		return model.ReasonResources
	}
	if p.drainedVolume(r) {
		return model.ReasonVolume
	}
	return model.ReasonNone
}

// end is how the task ended; only for one that did.
func (r *run) end() restart.End { return restart.EndOf(&r.task, r.seen, r.status) }

// began is when the task began to run, or ended without; only for one that did one or the other.
func (r *run) began() int64 {
	if r.ended() {
		if e := r.end(); e.RanAt != 0 {
			return e.RanAt
		}
	}
	return r.seen.At
}

// stop asks for the task's end. A task that ended keeps its reason: nobody stopped it.
func (r *run) stop(why model.Reason, desired model.State, now time.Time) {
	if r.task.Desired >= desired {
		return
	}
	if r.wanted() {
		r.task.StopAt = now.UnixNano()
	}
	r.task.Desired = desired
	if !r.ended() || r.seen.State == model.StateOrphaned {
		r.task.Reason = why
	}
}

// byAge orders a slot's runs, oldest first. A slot's tasks are made one after the other, so their stamps differ; should
// a clock have stood still, the one no longer wanted is taken for the older.
func byAge(a, b *run) int {
	return cmp.Or(cmp.Compare(a.task.Created, b.task.Created), cmp.Compare(b.task.Desired, a.task.Desired),
		cmp.Compare(a.task.Index, b.task.Index), a.task.ID.Compare(b.task.ID))
}
