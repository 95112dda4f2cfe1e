package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/simulated"
	"github.com/skep-org/skep/internal/model"
	fabrics "github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/store"
)

// node is one host: an engine that lives on, an agent that comes and goes, and perhaps a manager.
type node struct {
	w      *world
	id     model.ID
	name   string
	host   int // its place in world.nodes
	clock  *clock
	member *member // nil: not a manager

	engine    *simulated.Machine
	engineAct *actor
	plane     *plane

	proc    *proc // of the agent
	agent   *agent.Machine
	act     *actor
	ops     map[*simulated.Op]agent.Op // of this life
	watch   uint64                     // rises when the engine is lost: what an older watch saw is not delivered
	last    time.Time                  // when the newest of the watch's events arrives
	saved   []byte
	session *session
	leader  *member // as it was last told; nil: not known
	tries   int     // to find the leader, in vain

	newest uint64 // of the versions of assignments delivered, for a planted bug
}

func newNode(w *world, id model.ID, host int) *node {
	n := &node{w: w, id: id, name: fmt.Sprintf("n%d", host+1), host: host, clock: &clock{w: w, offset: w.drift()}}
	n.proc = &proc{w: w, clock: n.clock}
	n.plane = &plane{n: n, fabric: fabrics.NewFabric()}
	n.engine = simulated.NewMachine(w.env, simulated.Config{
		Node:    n.description(),
		Prepare: simulated.Range{Min: 5 * time.Millisecond, Max: 2 * time.Second}, Start: simulated.Range{Max: 500 * time.Millisecond},
		Stop: simulated.Range{Max: 12 * time.Second}, Remove: simulated.Range{Max: 200 * time.Millisecond},
		PrepareFails: 20, StartFails: 20, Crashes: 60, Life: simulated.Range{Max: time.Minute}, OutOfMemory: 100,
		Sick: 100, Check: simulated.Range{Max: 5 * time.Second},
		Behave: func(t *executor.Task) *simulated.Behaviour {
			if b := w.behaveAsJob(t); b != nil {
				return b
			}
			if w.calm {
				return &simulated.Behaviour{StopTakes: w.upTo(time.Second), CheckAfter: w.upTo(time.Second)}
			}
			return nil
		},
	})
	engine := &proc{w: w, clock: &clock{w: w}}
	engine.begin()
	n.engineAct = &actor{p: engine, step: n.engineDue}
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
	spec := swarm.NodeSpec{Role: swarm.NodeRoleWorker, Availability: swarm.NodeAvailabilityActive}
	identity := &model.NodeIdentity{ID: n.id, Role: model.RoleWorker}
	if n.member != nil {
		spec.Role, identity.Role = swarm.NodeRoleManager, model.RoleManager
	}
	return []store.Change{
		store.NodeSpecs.Put(&model.NodeSpec{ID: n.id, Spec: model.DocOf(spec)}), store.NodeIdentities.Put(identity),
	}
}

// boot starts the agent.
func (n *node) boot() {
	if n.proc.up() {
		return
	}
	m, err := agent.New(agent.Options{NodeID: n.id}, n.saved)
	if err != nil {
		n.w.fail("%s: start the agent: %w", n.name, err)
		return
	}
	n.proc.begin()
	n.agent, n.ops = m, map[*simulated.Op]agent.Op{}
	n.session, n.tries = nil, 0
	n.act = &actor{p: n.proc, step: n.step}
	n.watchEngine()
	n.plane.tell()
	n.connect()
}

// kill is kill -9 of the agent, or with its host's power nobody is told: the engine carries on with what it was told.
func (n *node) kill(power bool) {
	if n.agent == nil {
		return
	}
	n.w.crashes++
	n.w.trace("%s: the agent is gone", n.name)
	n.act.dead = true
	n.agent = nil
	n.proc.end()
	n.watch++
	if s := n.session; s != nil && !power {
		s.agentClosed()
	}
	n.session = nil
	n.w.after(n.w.downtime(10*time.Second), n.boot)
}

func (n *node) step() {
	out, next := n.agent.Step(n.clock.Now())
	for _, id := range out.Cancel {
		n.cancel(id)
	}
	for _, op := range out.Ops {
		n.submit(op)
	}
	if out.Save != nil {
		n.saved = out.Save
	}
	if out.Removed {
		n.w.fail("%s: a manager said that the node is no member", n.name)
		return
	}
	for _, f := range out.Fabric {
		n.plane.take(f)
	}
	if out.Peers != nil {
		n.learn(out.Peers.Managers)
	}
	if s := n.session; s != nil {
		for _, msg := range out.Send {
			s.toManager(msg)
		}
		if out.Hangup {
			n.w.trace("%s: the agent hangs up", n.name)
			s.agentClosed()
			s.lost()
		}
	}
	n.act.wake(next)
}

// learn takes over who leads.
func (n *node) learn(managers []agent.Peer) {
	for _, p := range managers {
		for _, m := range n.w.members {
			if p.Leader && m.node.id == p.Node {
				n.leader = m
			}
		}
	}
}

// restart ends the agent as an upgrade does: the managers are told that it will be back.
func (n *node) restart() {
	if n.agent == nil || n.proc.stopped {
		return
	}
	n.w.trace("%s: the agent restarts", n.name)
	if msg := n.agent.Bye(false); msg != nil && n.session != nil {
		n.session.toManager(msg)
	}
	n.kill(false)
}

// watchEngine follows the engine from now on and lists its containers.
func (n *node) watchEngine() {
	n.watch++
	watch, w := n.watch, n.w
	try := n.proc.do(func() {
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
		w.after(w.soon(), n.proc.do(func() {
			list, err := n.engine.List()
			if err != nil || watch != n.watch {
				return // its loss is told by engineLost
			}
			w.after(w.soon(), n.proc.do(func() {
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
			n.w.after(n.w.soon(), n.proc.do(func() {
				n.agent.Done(n.clock.Now(), op.ID, op.Task, executor.Container{}, context.Canceled)
				n.act.poke()
			}))
		}
	}
}

func (n *node) wakeEngine() {
	if next, ok := n.engine.Next(); ok {
		n.engineAct.wakeAt(next)
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
		w.after(w.soon(), n.proc.do(func() {
			n.agent.Done(n.clock.Now(), op.ID, op.Task, e.Container, e.Err)
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
	w.after(at.Sub(w.now()), n.proc.do(func() {
		if watch == n.watch {
			n.agent.Changed(c)
			n.act.poke()
		}
	}))
}

func short(id model.ID) string { return id.String()[:8] }
