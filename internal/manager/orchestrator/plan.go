package orchestrator

import (
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/manager/await"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/manager/resources"
	"github.com/skep-org/skep/internal/manager/restart"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"

	"github.com/moby/moby/api/types/swarm"
)

// plan is one call of Plan: what it read and what it decided so far.
type plan struct {
	v         store.View
	now       time.Time
	newID     func() model.ID
	res       control.Result
	history   int
	revisions map[model.ID]*revision
	nodes     map[model.ID]*node
	deleted   map[model.ID]bool  // tasks this plan deletes
	forgotten map[model.Key]bool // slots whose rows this plan deletes
	finished  map[model.ID]bool  // services whose rollouts this plan deletes
	removed   []model.ID         // services that are gone, of which slots were looked at; some several times
	displaced map[model.ID]bool  // tasks that this plan finds no room for where they are
	look      *await.Look        // at what services depend on
	held      held               // the planner's
}

func newPlan(v store.View, now time.Time, pl *Planner) *plan {
	return &plan{
		v: v, now: now, newID: pl.newID, held: pl.held, history: historyLimit(store.TheCluster(v)),
		revisions: map[model.ID]*revision{}, nodes: map[model.ID]*node{}, deleted: map[model.ID]bool{}, forgotten: map[model.Key]bool{},
		finished: map[model.ID]bool{}, displaced: map[model.ID]bool{}, look: await.At(v),
	}
}

// revision is a service revision with what the orchestrator reads of it.
type revision struct {
	id          model.ID
	fingerprint [16]byte
	spec        *swarm.ServiceSpec
	restart     restart.Policy
	constraints []constraint.Constraint
	placement   *swarm.Placement
	reserved    resources.Amounts
	awaits      dependency.Set
}

// revision returns a revision; one that does not exist is empty and equal to no other.
func (p *plan) revision(id model.ID) *revision {
	if r := p.revisions[id]; r != nil {
		return r
	}
	r := &revision{id: id, spec: &swarm.ServiceSpec{}}
	if row := store.Revisions.ByID(p.v, id); row != nil {
		r.fingerprint, r.spec = row.Fingerprint, row.Spec.Get()
	}
	r.awaits = dependency.Of(r.spec.Annotations)
	r.restart = restart.Of(r.spec.TaskTemplate.RestartPolicy)
	r.reserved = resources.Reserved(&r.spec.TaskTemplate)
	if r.placement = r.spec.TaskTemplate.Placement; r.placement == nil {
		r.placement = &swarm.Placement{}
	}
	// The api refuses what does not parse; nothing is enforced of a constraint nobody understands.
	r.constraints, _ = constraint.Parse(r.placement.Constraints)
	p.revisions[id] = r
	return r
}

// defaultHistory is swarm's number of tasks kept of a slot, the current one included.
const defaultHistory = 5

// historyLimit is how many tasks of a slot are kept; negative means all.
func historyLimit(c *model.Cluster) int {
	if c == nil {
		return defaultHistory
	}
	if n := c.Spec.Get().Orchestration.TaskHistoryRetentionLimit; n != nil {
		return int(*n)
	}
	return defaultHistory
}
