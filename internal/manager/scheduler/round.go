package scheduler

import (
	"cmp"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/await"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// round is one call of Plan: first the usage is brought up to date with the view, then groups are placed.
type round struct {
	usage *usage
	v     store.View
	now   time.Time
	left  int // tasks that may still be placed
	res   control.Result
	look  *await.Look // at what services depend on; nil: nobody asked yet

	woken     bool // something about a node has changed: whoever waits may go there
	freed     bool // running tasks take less
	unplaced  []*group
	renamed   bool
	volumes   bool                  // something about a cluster volume has changed
	announced map[model.ID]struct{} // services whose waiters have another look
}

// takeIn brings the usage up to date with what a key concerns, and has groups placed.
func (r *round) takeIn(k control.Key) {
	switch k.Kind {
	case kindNode:
		r.node(k.A)
	case kindTask:
		r.task(k.A)
	case kindService:
		r.awaited(k.A)
	case kindMoved:
		r.moved(k.A)
	case kindNames:
		r.renamed = true
	case kindVolumes:
		r.volumes = true
	case kindAll:
		r.startOver()
	}
}

// node takes a node's rows in; whatever changed about it may help any task that waits.
func (r *round) node(id model.ID) {
	spec := store.NodeSpecs.ByID(r.v, id)
	if spec == nil {
		r.usage.removeNode(id)
	} else {
		role := model.RoleWorker
		if i := store.NodeIdentities.ByID(r.v, id); i != nil {
			role = i.Role
		}
		state := store.NodeStates.ByID(r.v, id)
		r.usage.setNode(id, capacityOf(spec, state), constraint.NodeOf(spec, state, role))
	}
	r.woken = true
}

// startOver takes in everything there is.
func (r *round) startOver() {
	*r.usage = newUsage()
	for n := range store.NodeSpecs.All(r.v) {
		r.node(n.ID)
	}
	r.usage.tasks = make(map[model.ID]counted, store.Tasks.Len(r.v))
	placements, allocations, statuses := store.Placements.Beside(r.v), store.Allocations.Beside(r.v), store.Statuses.Beside(r.v)
	known := 0
	for t := range store.Tasks.All(r.v) {
		rows := taskRows{id: t.ID, task: t, placement: placements.ByID(t.ID)}
		if rows.placement != nil {
			known++
		}
		if rows.hasNode() {
			rows.status = statuses.ByID(t.ID)
		} else {
			rows.allocation = allocations.ByID(t.ID)
		}
		r.takeInTask(rows)
	}
	if known < store.Placements.Len(r.v) {
		tasks := store.Tasks.Beside(r.v)
		for pl := range store.Placements.All(r.v) {
			if tasks.ByID(pl.TaskID) == nil {
				r.takeInTask(taskRows{id: pl.TaskID, placement: pl})
			}
		}
	}
	r.woken, r.freed, r.volumes = false, false, false // all groups are to be placed as it is
}

// taskRows is what there is of a task; of allocation and status that one which matters.
type taskRows struct {
	id         model.ID
	task       *model.Task
	placement  *model.Placement
	allocation *model.Allocation // of a task without a node
	status     *model.TaskStatus // of a task with one
}

func (rows *taskRows) hasNode() bool { return rows.placement != nil && !rows.placement.NodeID.IsZero() }

// task looks for a task's rows and takes them in.
func (r *round) task(id model.ID) {
	rows := taskRows{id: id, task: store.Tasks.ByID(r.v, id), placement: store.Placements.ByID(r.v, id)}
	if rows.hasNode() {
		rows.status = store.Statuses.ByID(r.v, id)
	} else {
		rows.allocation = store.Allocations.ByID(r.v, id)
	}
	r.takeInTask(rows)
}

// takeInTask takes a task's rows in: it takes room on a node, waits for one, or has done with both.
func (r *round) takeInTask(rows taskRows) {
	t, id := rows.task, rows.id
	if t == nil {
		r.release(id)
		r.usage.forgetFailure(id)
		if rows.placement != nil {
			r.res.Changes = append(r.res.Changes, store.Placements.Delete(model.KeyOf(id)))
		}
		return
	}
	if rows.hasNode() {
		r.placed(rows)
		return
	}
	if t.Desired >= model.StateShutdown || rows.allocation == nil || !rows.allocation.Done {
		r.release(id)
		return
	}
	// A revision stays as long as a task names it.
	known := r.usage.demands[t.Revision]
	if known == nil {
		rev := store.Revisions.ByID(r.v, t.Revision)
		if rev == nil {
			r.release(id)
			return
		}
		known = r.usage.learn(t.Revision, wishOf(r.v, rev))
	}
	r.usage.enqueue(r.usage.wait(inLine{t.Slot, id}, groupKey{t.Revision, t.NodeID}, known))
}

// placed counts a task on its node until it has ended.
func (r *round) placed(rows taskRows) {
	t, pl, s := rows.task, rows.placement, rows.status
	if s != nil && s.State.Terminal() {
		r.release(t.ID)
		if s.State == model.StateFailed || s.State == model.StateRejected {
			r.usage.noteFailure(t.ID, failureKey{t.Revision, pl.NodeID}, s.At)
		}
		return
	}
	known := r.usage.demands[t.Revision]
	if known == nil {
		known = r.usage.learn(t.Revision, wishOf(r.v, store.Revisions.ByID(r.v, t.Revision)))
	}
	if r.usage.count(t.ID, pl, known, t.Desired < model.StateShutdown) {
		r.freed = true // one replica less on the node
	}
}

// release ends what the task took or waited for.
func (r *round) release(id model.ID) {
	r.usage.stopWaiting(id)
	if r.usage.uncount(id) {
		r.freed = true
	}
}

// wake has those groups placed in the next round whose chances are better than at their last attempt: by then all that happens
// at this moment has been counted.
func (r *round) wake() {
	if !r.woken && !r.freed && !r.renamed && !r.volumes && len(r.announced) == 0 {
		return
	}
	any := false
	for _, g := range r.usage.groups {
		if !g.queued && r.better(g) {
			g.woken, any = true, true
		}
	}
	if any {
		r.res.Wakes(control.Key{Kind: kindWoken}, r.now)
	}
}

func (r *round) better(g *group) bool {
	return r.woken || r.freed && g.refused[filterResources]+g.refused[filterPorts]+g.refused[filterReplicas] > 0 ||
		(r.volumes || r.freed) && g.refused[filterVolumes] > 0 ||
		r.renamed && g.waits || len(r.announced) > 0 && slices.ContainsFunc(g.awaits, func(s model.ID) bool {
		_, is := r.announced[s]
		return is
	})
}

// wokenUp enqueues the groups that were woken, that of the oldest revision first: who has waited longest is placed first, and
// ids, which are drawn, decide nothing.
func (r *round) wokenUp(keys []control.Key) {
	any := false
	for _, k := range keys {
		if g := r.usage.groups[groupKey{k.A, k.B}]; k.Kind == kindGroup && g != nil {
			g.woken = true
		}
		any = any || k.Kind == kindGroup || k.Kind == kindWoken
	}
	if !any {
		return
	}
	var woken []*group
	for _, g := range r.usage.groups {
		if g.woken {
			g.woken = false
			woken = append(woken, g)
		}
	}
	slices.SortFunc(woken, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.demand.created, b.demand.created), a.key.control().Key.Compare(b.key.control().Key))
	})
	for _, g := range woken {
		r.usage.enqueue(g)
	}
}
