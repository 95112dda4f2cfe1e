package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// users ask for services as the api's callers do, and remember what they were promised.
type users struct {
	wants      map[string]*want // by service name
	nextTag    int
	startFirst map[model.ID]bool // services that ever asked for it: their tasks may run beside each other
}

// want is what a user knows of one service: what it last was told, and what it asked since without an answer.
type want struct {
	told    model.ID // Service.Revision; zero: no service
	asked   *model.ID
	pending *store.Pending
}

func newUsers() users { return users{wants: map[string]*want{}, startFirst: map[model.ID]bool{}} }

// userActs is one command.
func (w *world) userActs() {
	if !w.manager.leading || store.TheCluster(w.view()) == nil {
		return
	}
	if w.chance(100) {
		w.changeNode()
		return
	}
	name := fmt.Sprintf("s%d", 1+w.rng.IntN(4))
	u := w.users.wants[name]
	if u == nil {
		u = &want{}
		w.users.wants[name] = u
	}
	if u.asked != nil {
		return // one command at a time
	}
	s := store.ServiceByName(w.view(), name)
	switch {
	case s == nil:
		w.ask(u, nil, w.newSpec(name))
	case w.chance(120):
		w.trace("user: remove %s", name)
		none := model.ID{}
		w.command(u, &none, []store.Condition{store.Services.At(s)}, store.Services.Delete(s.Key()))
	case w.chance(120):
		w.rollback(u, s)
	default:
		spec := *store.Revisions.ByID(w.view(), shown(w.view(), s)).Spec.Get()
		w.change(&spec)
		w.ask(u, s, spec)
	}
}

// shown is the revision a user reads: the active one once what was asked is taken up.
func shown(v store.View, s *model.Service) model.ID {
	if r := store.Rollouts.ByID(v, s.ID); r != nil && r.AskedIndex == s.Index {
		return r.Active
	}
	return s.Revision
}

func (w *world) ask(u *want, old *model.Service, spec swarm.ServiceSpec) {
	rev := &model.ServiceRevision{ID: w.newID(), Spec: model.DocOf(spec), Fingerprint: model.Fingerprint(&spec)}
	s := &model.Service{ID: w.newID(), Name: spec.Name}
	cond := store.Services.Absent(s.Key())
	if old != nil {
		*s = *old
		s.Previous = shown(w.view(), old)
		cond = store.Services.At(old)
	}
	rev.ServiceID, s.Revision, s.Rollback = s.ID, rev.ID, false
	if spec.UpdateConfig.Order == swarm.UpdateOrderStartFirst || spec.RollbackConfig.Order == swarm.UpdateOrderStartFirst {
		w.users.startFirst[s.ID] = true
	}
	w.trace("user: %s is %s %s", spec.Name, describe(&spec), short(rev.ID))
	w.command(u, &rev.ID, []store.Condition{cond}, store.Revisions.Put(rev), store.Services.Put(s))
}

func (w *world) rollback(u *want, s *model.Service) {
	n := *s
	prev := s.Previous
	if r := store.Rollouts.ByID(w.view(), s.ID); r != nil && r.AskedIndex == s.Index {
		prev = r.Previous
	}
	if prev.IsZero() {
		return
	}
	n.Previous, n.Revision, n.Rollback = shown(w.view(), s), prev, true
	w.trace("user: roll %s back to %s", s.Name, short(prev))
	w.command(u, &prev, []store.Condition{store.Services.At(s), store.Revisions.Present(model.KeyOf(prev))}, store.Services.Put(&n))
}

// command commits what a user asks.
func (w *world) command(u *want, revision *model.ID, conds []store.Condition, changes ...store.Change) {
	asked := *revision
	u.asked = &asked
	u.pending = w.manager.rep.Commit(&store.Batch{Writer: store.WriterAPI, Conditions: conds, Changes: changes})
}

// answered takes the answers that came.
func (us *users) answered(w *world) {
	for _, name := range slices.Sorted(maps.Keys(us.wants)) {
		u := us.wants[name]
		if u.pending == nil {
			continue
		}
		_, known, err := u.pending.Result()
		if !known {
			continue
		}
		if err == nil {
			u.told = *u.asked
		}
		u.asked, u.pending = nil, nil
	}
}

// lostContact: the manager went; what was asked may or may not be done.
func (us *users) lostContact() {
	for _, u := range us.wants {
		u.pending = nil
	}
}

// recovered: users look at what became of what they asked.
func (us *users) recovered(w *world) {
	for _, name := range slices.Sorted(maps.Keys(us.wants)) {
		u := us.wants[name]
		var is model.ID
		if s := store.ServiceByName(w.view(), name); s != nil {
			is = s.Revision
		}
		if is != u.told && (u.asked == nil || is != *u.asked) {
			w.fail("service %s: revision %s was acknowledged, after the restart it is %s", name, u.told, is)
		}
		u.told, u.asked, u.pending = is, nil, nil
	}
}

// changeNode drains a node or takes it back.
func (w *world) changeNode() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	avail := swarm.NodeAvailabilityActive
	if w.chance(500) {
		avail = swarm.NodeAvailabilityDrain
	}
	w.setAvailability(n, avail)
}

func (w *world) setAvailability(n *node, avail swarm.NodeAvailability) {
	row := *store.NodeSpecs.ByID(w.view(), n.id)
	spec := *row.Spec.Get()
	spec.Availability = avail
	row.Spec = model.DocOf(spec)
	w.trace("user: %s is %s", n.name, avail)
	w.manager.rep.Commit(&store.Batch{Writer: store.WriterAPI, Changes: []store.Change{store.NodeSpecs.Put(&row)}})
}

func (w *world) clusterSpec() swarm.Spec {
	limit := int64(w.rng.IntN(4))
	return swarm.Spec{
		Orchestration: swarm.OrchestrationConfig{TaskHistoryRetentionLimit: &limit},
		Dispatcher:    swarm.DispatcherConfig{HeartbeatPeriod: 5 * time.Second},
	}
}

// newSpec draws a service.
func (w *world) newSpec(name string) swarm.ServiceSpec {
	spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: name}}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "app:0"}
	if w.chance(200) {
		spec.Mode.Global = &swarm.GlobalService{}
	} else {
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: new(uint64(w.rng.IntN(7)))}
	}
	if w.chance(250) {
		spec.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "check"}}
	}
	w.changePolicies(&spec)
	return spec
}

// change draws an update of a service.
func (w *world) change(spec *swarm.ServiceSpec) {
	switch {
	case w.chance(400) && spec.Mode.Replicated != nil:
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: new(uint64(w.rng.IntN(9)))}
	case w.chance(800):
		c := *spec.TaskTemplate.ContainerSpec
		w.users.nextTag++
		c.Image = fmt.Sprintf("app:%d", w.users.nextTag)
		spec.TaskTemplate.ContainerSpec = &c
	case w.chance(500):
		spec.TaskTemplate.ForceUpdate++
	default:
		w.changePolicies(spec)
	}
}

func (w *world) changePolicies(spec *swarm.ServiceSpec) {
	grace, delay := w.upTo(12*time.Second), w.upTo(3*time.Second)
	c := *spec.TaskTemplate.ContainerSpec
	c.StopGracePeriod = &grace
	spec.TaskTemplate.ContainerSpec = &c
	r := &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay}
	if w.chance(150) {
		r.Condition = swarm.RestartPolicyConditionOnFailure
	}
	if w.chance(150) {
		r.MaxAttempts = new(uint64(1 + w.rng.IntN(4)))
		if w.chance(500) {
			r.Window = new(w.upTo(20 * time.Second))
		}
	}
	spec.TaskTemplate.RestartPolicy = r
	spec.UpdateConfig, spec.RollbackConfig = w.newUpdate(), w.newUpdate()
	if spec.RollbackConfig.FailureAction == swarm.UpdateFailureActionRollback {
		spec.RollbackConfig.FailureAction = swarm.UpdateFailureActionPause
	}
}

func (w *world) newUpdate() *swarm.UpdateConfig {
	actions := []swarm.FailureAction{swarm.UpdateFailureActionPause, swarm.UpdateFailureActionContinue, swarm.UpdateFailureActionRollback}
	u := &swarm.UpdateConfig{
		Parallelism: uint64(w.rng.IntN(4)), Delay: w.upTo(3 * time.Second), Monitor: w.upTo(6 * time.Second),
		FailureAction: actions[w.rng.IntN(3)], MaxFailureRatio: float32(w.rng.IntN(3)) / 4, Order: swarm.UpdateOrderStopFirst,
	}
	if w.chance(300) {
		u.Order = swarm.UpdateOrderStartFirst
	}
	return u
}

func describe(s *swarm.ServiceSpec) string {
	mode := "global"
	if s.Mode.Replicated != nil {
		mode = fmt.Sprintf("%d times", *s.Mode.Replicated.Replicas)
	}
	return fmt.Sprintf("%s %s force %d", mode, s.TaskTemplate.ContainerSpec.Image, s.TaskTemplate.ForceUpdate)
}
