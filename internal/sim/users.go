package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// users ask for services at any manager, and remember what they were told.
type users struct {
	history    []*op
	busy       map[int]bool
	seen       map[string]uint64 // the version a user read last, by service name
	asked      int
	nextTag    int
	startFirst map[model.ID]bool // services that ever asked for it: their tasks may run beside each other
}

func newUsers() users {
	return users{busy: map[int]bool{}, seen: map[string]uint64{}, startFirst: map[model.ID]bool{}}
}

// op is one request.
type op struct {
	w         *world
	number    int
	client    int
	name      string // of the service; empty: it is about a node
	what      string
	m         *member
	call, ret int64
	answered  bool
	err       error

	// Of a read, and of a write what it was decided on: the service's version and revision; zero: there was none.
	version  uint64
	revision model.ID

	// Of a write.
	writes bool
	next   model.ID // the revision asked for; zero: to remove the service
	ack    uint64   // log index that was answered
	index  uint64   // log index where it came about; 0: nowhere
	back   bool     // it asks for the revision before
}

// moment orders what happens to requests.
func (w *world) moment() int64 {
	w.moments++
	return w.moments
}

// userActs is one request of one user, who makes one at a time.
func (w *world) userActs() {
	us := &w.users
	client := w.rng.IntN(w.clients)
	m := w.members[w.rng.IntN(len(w.members))]
	if us.busy[client] || !m.proc.up() {
		return
	}
	us.busy[client] = true
	us.asked++
	o := &op{w: w, number: us.asked, client: client, m: m, call: w.moment()}
	if !w.chance(50) {
		o.name = fmt.Sprintf("s%d", 1+w.rng.IntN(4))
		us.history = append(us.history, o)
	}
	m.calls.open[o] = true
	w.after(w.soon(), m.proc.do(o.arrive))
}

// arrive is the manager taking the request up.
func (o *op) arrive() {
	o.m.fresh(func(err error) {
		switch {
		case err != nil:
			o.answer(err)
		case o.name == "":
			o.changeNode()
		default:
			o.act()
		}
	})
}

// answer is what the user hears, or the connection breaking.
func (o *op) answer(err error) {
	if o.answered {
		return
	}
	o.answered, o.err, o.ret = true, err, o.w.moment()
	delete(o.m.calls.open, o)
	o.w.users.busy[o.client] = false
	if o.what != "" {
		o.w.trace("user %d: %s at m%d: %v", o.client, o.what, o.m.id, orOK(err))
	}
}

func orOK(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

// act decides what the user wants.
func (o *op) act() {
	w, v := o.w, o.m.store.View()
	s := store.ServiceNamed(v, o.name)
	if s != nil {
		o.version, o.revision = s.Index, s.Revision
	}
	seen := w.users.seen[o.name]
	w.users.seen[o.name] = o.version
	if w.chance(500) {
		o.answer(nil) // it only wanted to look
		return
	}
	switch {
	case s == nil:
		o.ask(v, nil, w.newSpec(o.name))
	case w.chance(100):
		o.what = "remove " + o.name
		o.commit([]store.Condition{store.Services.At(s)}, store.Services.Delete(s.Key()))
	case w.chance(120):
		o.rollback(v, s)
	default:
		rev := store.Revisions.ByID(v, shown(v, s))
		if rev == nil {
			w.fail("m%d: service %s has no revision %s", o.m.id, o.name, shown(v, s))
			return
		}
		if w.chance(300) && seen != o.version {
			// A user who goes by what was read before.
			o.answer(nil)
			return
		}
		spec := *rev.Spec.Get()
		w.change(&spec)
		o.ask(v, s, spec)
	}
}

// shown is the revision a user reads: the active one once what was asked is taken up.
func shown(v store.View, s *model.Service) model.ID {
	if r := store.Rollouts.ByID(v, s.ID); r != nil && r.AskedIndex == s.Index {
		return r.Active
	}
	return s.Revision
}

func (o *op) ask(v store.View, old *model.Service, spec swarm.ServiceSpec) {
	w := o.w
	rev := &model.ServiceRevision{ID: w.newID(), Spec: model.DocOf(spec), Fingerprint: model.Fingerprint(&spec)}
	s := &model.Service{ID: w.newID(), Name: spec.Name}
	conds := []store.Condition{store.Services.Absent(s.Key())}
	if old != nil {
		*s = *old
		s.Previous = shown(v, old)
		if model.IsJob(spec.Mode) {
			s.Iteration++
		}
		conds = []store.Condition{store.Services.At(old)}
	}
	rev.ServiceID, s.Revision, s.Rollback = s.ID, rev.ID, false
	if startsFirst(spec.UpdateConfig) || startsFirst(spec.RollbackConfig) {
		w.users.startFirst[s.ID] = true
	}
	o.next = rev.ID
	o.what = fmt.Sprintf("%s is %s %s", spec.Name, describe(&spec), short(rev.ID))
	o.commit(conds, store.Revisions.Put(rev), store.Services.Put(s))
}

func startsFirst(u *swarm.UpdateConfig) bool {
	return u != nil && u.Order == swarm.UpdateOrderStartFirst
}

func (o *op) rollback(v store.View, s *model.Service) {
	n := *s
	prev := s.Previous
	if r := store.Rollouts.ByID(v, s.ID); r != nil && r.AskedIndex == s.Index {
		prev = r.Previous
	}
	if prev.IsZero() {
		o.answer(nil)
		return
	}
	n.Previous, n.Revision, n.Rollback = shown(v, s), prev, true
	if rev := store.Revisions.ByID(v, prev); rev != nil && model.IsJob(rev.Spec.Get().Mode) {
		n.Iteration++
	}
	o.next, o.back = prev, true
	o.what = fmt.Sprintf("roll %s back to %s", s.Name, short(prev))
	o.commit([]store.Condition{store.Services.At(s), store.Revisions.Present(model.KeyOf(prev))}, store.Services.Put(&n))
}

// commit commits what a user asks.
func (o *op) commit(conds []store.Condition, changes ...store.Change) {
	o.writes = true
	o.m.write(o, &store.Batch{Writer: store.WriterAPI, Conditions: conds, Changes: changes}, func(index uint64, err error) {
		o.ack = index
		o.answer(err)
	})
}

// known reports whether the user was told what became of a write.
func (o *op) known() bool {
	return o.answered && !errors.Is(o.err, errUnknown) && !errors.Is(o.err, store.ErrUnknownOutcome)
}

// changeNode drains a node or takes it back.
func (o *op) changeNode() {
	w := o.w
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	avail := swarm.NodeAvailabilityActive
	if w.chance(400) {
		avail = swarm.NodeAvailabilityDrain
	}
	o.what = fmt.Sprintf("%s is %s", n.name, avail)
	o.commit(nil, setAvailability(o.m.store.View(), n, avail))
}

func setAvailability(v store.View, n *node, avail swarm.NodeAvailability) store.Change {
	row := *store.NodeSpecs.ByID(v, n.id)
	spec := *row.Spec.Get()
	spec.Availability = avail
	row.Spec = model.DocOf(spec)
	return store.NodeSpecs.Put(&row)
}

func (w *world) clusterSpec() swarm.Spec {
	limit := int64(w.rng.IntN(4))
	return swarm.Spec{
		Orchestration: swarm.OrchestrationConfig{TaskHistoryRetentionLimit: &limit},
		Dispatcher:    swarm.DispatcherConfig{HeartbeatPeriod: 5 * time.Second},
	}
}
