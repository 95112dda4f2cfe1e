package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/simulated"
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// node is one machine: an engine that lives on, and an agent that comes and goes.
type node struct {
	w    *world
	id   model.ID
	name string

	engine    *simulated.Machine
	engineAct *actor

	life  uint64 // of the agent
	agent *agent.Machine
	act   *actor
	link  *link
	ops   map[*simulated.Op]agent.Op // of this life
	watch uint64                     // rises when the engine is lost: what an older watch saw is not delivered
	last  time.Time                  // when the newest of the watch's events arrives
	saved []byte
	lives uint64
}

func newNode(w *world, id model.ID, number int) *node {
	n := &node{w: w, id: id, name: fmt.Sprintf("node%d", number)}
	n.engine = simulated.NewMachine(w.env, simulated.Config{
		Node:    n.description(),
		Prepare: simulated.Range{Min: 5 * time.Millisecond, Max: 2 * time.Second}, Start: simulated.Range{Max: 500 * time.Millisecond},
		Stop: simulated.Range{Max: 12 * time.Second}, Remove: simulated.Range{Max: 200 * time.Millisecond},
		PrepareFails: 20, StartFails: 20, Crashes: 60, Life: simulated.Range{Max: time.Minute}, OutOfMemory: 100,
		Sick: 100, Check: simulated.Range{Max: 5 * time.Second},
		Behave: func(*executor.Task) *simulated.Behaviour {
			if w.calm {
				return &simulated.Behaviour{StopTakes: w.upTo(time.Second), CheckAfter: w.upTo(time.Second)}
			}
			return nil
		},
	})
	n.engineAct = &actor{w: w, step: n.engineDue}
	return n
}

func (n *node) description() swarm.NodeDescription {
	d := swarm.NodeDescription{Hostname: n.name, Platform: swarm.Platform{OS: "linux", Architecture: "x86_64"}}
	d.Resources = swarm.Resources{NanoCPUs: 8e9, MemoryBytes: 16 << 30}
	d.Engine.EngineVersion = "20.10.24"
	return d
}

// rows are what a node's joining writes.
func (n *node) rows() []store.Change {
	spec := swarm.NodeSpec{Role: swarm.NodeRoleManager, Availability: swarm.NodeAvailabilityActive}
	return []store.Change{
		store.NodeSpecs.Put(&model.NodeSpec{ID: n.id, Spec: model.DocOf(spec)}),
		store.NodeIdentities.Put(&model.NodeIdentity{ID: n.id, Role: model.RoleManager}),
	}
}

// boot starts the agent.
func (n *node) boot() {
	m, err := agent.New(agent.Options{NodeID: n.id}, n.saved)
	if err != nil {
		n.w.fail("%s: start the agent: %w", n.name, err)
		return
	}
	n.lives++
	n.life = n.lives
	n.agent, n.ops = m, map[*simulated.Op]agent.Op{}
	n.act = &actor{w: n.w, step: n.step}
	n.watchEngine()
	n.connect()
}

// kill is kill -9 of the agent: the engine carries on with what it was told.
func (n *node) kill() {
	if n.agent == nil {
		return
	}
	n.w.crashes++
	n.w.trace("%s: the agent is killed", n.name)
	n.act.dead = true
	n.agent, n.life = nil, 0
	n.watch++
	if n.link != nil {
		n.link.broke()
	}
	n.w.after(n.w.upTo(n.downFor()), n.boot)
}

func (n *node) downFor() time.Duration {
	if n.w.chance(200) {
		return 40 * time.Second // long enough for the node to be taken for down
	}
	return 3 * time.Second
}

// alive runs f unless the agent of this life is gone by then.
func (n *node) alive(f func()) func() {
	life := n.life
	return func() {
		if n.life == life && life != 0 {
			f()
		}
	}
}

func (n *node) step() {
	out, next := n.agent.Step(n.w.now())
	for _, id := range out.Cancel {
		n.cancel(id)
	}
	for _, op := range out.Ops {
		n.submit(op)
	}
	if out.Save != nil {
		n.saved = out.Save
	}
	if n.link != nil {
		for _, msg := range out.Send {
			n.link.toManager(msg)
		}
		if out.Hangup {
			n.w.trace("%s: the agent hangs up", n.name)
			n.link.hangup()
		}
	}
	n.act.wake(next)
}

// watchEngine follows the engine from now on and lists its containers.
func (n *node) watchEngine() {
	n.watch++
	watch, w := n.watch, n.w
	try := n.alive(func() {
		if watch != n.watch {
			return
		}
		if n.engine.Lost() {
			n.watchEngine()
			return
		}
		n.agent.Describe(n.description())
		n.agent.Listing()
		n.act.poke()
		w.after(w.soon(), n.alive(func() {
			list, err := n.engine.List()
			if err != nil || watch != n.watch {
				return // its loss is told by engineLost
			}
			w.after(w.soon(), n.alive(func() {
				if watch == n.watch {
					n.agent.Listed(list)
					n.act.poke()
				}
			}))
		}))
	})
	w.after(w.upTo(200*time.Millisecond), try)
}

// engineLost ends the watch.
func (n *node) engineLost() {
	n.w.trace("%s: the engine is lost", n.name)
	n.engine.Lose(n.w.now())
	n.engineAct.poke()
	if n.agent != nil {
		n.agent.Lost()
		n.act.poke()
		n.watchEngine()
	}
}

// submit gives the engine an operation.
func (n *node) submit(op agent.Op) {
	n.w.checks.operation(n, op)
	n.w.trace("%s: %s %s", n.name, op.Kind, short(op.Task))
	kind := map[agent.Kind]simulated.Kind{
		agent.Prepare: simulated.Prepare, agent.Start: simulated.Start, agent.Stop: simulated.Stop, agent.Remove: simulated.Remove,
	}[op.Kind]
	so := &simulated.Op{Kind: kind, ID: op.Task, Task: op.Spec}
	n.ops[so] = op
	n.engine.Submit(so, n.w.now())
	n.wakeEngine()
}

// cancel has an operation return at once, while the engine, which cannot be stopped, goes on with it.
func (n *node) cancel(id agent.OpID) {
	for so, op := range n.ops {
		if op.ID == id {
			delete(n.ops, so)
			n.w.after(n.w.soon(), n.alive(func() {
				n.agent.Done(n.w.now(), op.ID, op.Task, executor.Container{}, context.Canceled)
				n.act.poke()
			}))
		}
	}
}

func (n *node) wakeEngine() {
	if next, ok := n.engine.Next(); ok {
		n.engineAct.wake(next)
	}
}

// engineDue hands out what has happened in the engine.
func (n *node) engineDue() {
	w := n.w
	for _, e := range n.engine.Due(w.now()) {
		if e.Op == nil {
			n.changed(e.Container)
			continue
		}
		op, ok := n.ops[e.Op]
		if !ok {
			continue
		}
		delete(n.ops, e.Op)
		w.after(w.soon(), n.alive(func() {
			n.agent.Done(w.now(), op.ID, op.Task, e.Container, e.Err)
			n.act.poke()
		}))
	}
	n.wakeEngine()
}

// changed carries a container's change to the agent; changes arrive in order.
func (n *node) changed(c executor.Container) {
	w := n.w
	w.checks.container(n, c)
	if n.agent == nil {
		return
	}
	watch := n.watch
	at := w.now().Add(w.soon())
	if at.Before(n.last) {
		at = n.last
	}
	n.last = at
	w.after(at.Sub(w.now()), n.alive(func() {
		if watch == n.watch {
			n.agent.Changed(c)
			n.act.poke()
		}
	}))
}

// link is a session between an agent and the dispatcher.
type link struct {
	n              *node
	session        dispatcher.SessionID
	closed         bool
	lastUp, lastDn time.Time // when the newest message of each direction arrives
}

// connect opens a session, when the manager is there; else it tries again.
func (n *node) connect() {
	w := n.w
	w.after(w.upTo(300*time.Millisecond), n.alive(func() {
		m := w.manager
		if !m.leading {
			n.connect()
			return
		}
		l := &link{n: n, session: m.disp.Open(n.id, "192.0.2.1")}
		m.links[l.session] = l
		n.link = l
		n.agent.Connected(w.rng.Uint64())
		n.act.poke()
	}))
}

func (l *link) toManager(msg *wire.AgentMessage) {
	w := l.n.w
	msg = proto.CloneOf(msg)
	l.lastUp = w.later(l.lastUp)
	w.after(l.lastUp.Sub(w.now()), func() {
		if !l.closed {
			w.manager.disp.Deliver(w.now(), l.session, msg)
			w.manager.dispAct.poke()
		}
	})
}

func (l *link) toAgent(e dispatcher.Envelope) {
	w := l.n.w
	msg := proto.CloneOf(e.Msg)
	l.lastDn = w.later(l.lastDn)
	w.after(l.lastDn.Sub(w.now()), l.n.alive(func() {
		if l.closed {
			return
		}
		l.n.agent.Receive(w.now(), msg)
		l.n.act.poke()
		if e.End {
			l.broke()
		}
	}))
}

// later is when a message sent now arrives, not before the one before it.
func (w *world) later(last time.Time) time.Time {
	at := w.now().Add(w.soon())
	if at.Before(last) {
		return last
	}
	return at
}

// hangup is the agent's end of the session.
func (l *link) hangup() { l.broke() }

// broke ends the session on both sides.
func (l *link) broke() {
	if l.closed {
		return
	}
	l.closed = true
	m, n := l.n.w.manager, l.n
	delete(m.links, l.session)
	if m.leading {
		m.disp.Closed(m.w.now(), l.session)
		m.dispAct.poke()
	}
	if n.link == l {
		n.link = nil
		if n.agent != nil {
			n.agent.Disconnected()
			n.act.poke()
			n.connect()
		}
	}
}

func short(id model.ID) string { return id.String()[:8] }
