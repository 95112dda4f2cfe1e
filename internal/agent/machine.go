package agent

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/agent/staging"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// Options are a node's settings.
type Options struct {
	NodeID model.ID
	// Work bounds the operations that keep the engine busy (prepare, start, remove) and run at a time; 0 means 16.
	Work int
	// Together bounds how many of those contend for the node's processors: one that has been under way for [contends] waits
	// for something else, a registry or a volume, and is not counted. 0 means as many as Work.
	Together int
	// Stops bounds the stops under way. They are counted apart: most of a stop is waiting for a process to end, and
	// a few that take their whole grace must not hold up everything else. 0 means 64.
	Stops int
	// Lease is how long the managers are asked to wait for the node when its agent ends in order; 0 means a minute.
	Lease time.Duration
	// Passing is how long a state is kept back that the node is about to take the task out of: what is passed sooner is
	// reported to nobody. 0 means a quarter of the heartbeat period, and 250 ms at least; less than 0 not at all.
	Passing time.Duration
	// Volumes are the cluster volumes that an earlier agent began to use and did not let go of.
	Volumes []*wire.VolumeOrder
}

const (
	defaultWork  = 16
	defaultStops = 64
	defaultLease = time.Minute
	leastPassing = 250 * time.Millisecond
	// contends is how long an operation is taken to keep the processors busy.
	contends = 3 * time.Second
	// saveEvery bounds how often the assignments are written to disk.
	saveEvery = time.Second
)

// Machine is the agent of one node. It belongs to one goroutine.
type Machine struct {
	opts Options

	tasks map[model.ID]*task
	due   []model.ID // tasks to look at in the next step
	isDue map[model.ID]bool
	wake  control.WakeQueue[model.ID]

	// The engine.
	up       bool // its containers have been listed since it was last lost
	listing  bool
	everUp   bool
	hostname string
	node     *swarm.NodeDescription // as the executor says; nil: it has not yet
	tls      swarm.TLSInfo
	desc     []byte
	ops      opQueue

	// What the assignments refer to.
	set assignments

	// The session with the manager.
	link      link
	expelled  bool
	toldPeers *wire.Peers // the last handed out
	peers     *Peers      // to be handed out
	openLogs  []*wire.OpenLogs
	closeLogs []model.ID
	questions []*wire.Question

	networksDue bool // the networks that are needed are to be handed out
	fabric      fabric
	volumes     *staging.Machine
	csi         []swarm.NodeCSIInfo // the node's CSI drivers

	saveAt time.Time // when the assignments are to be saved; zero: they are as saved
	saved  time.Time
}

// Output is what a step wants done.
type Output struct {
	Ops    []Op
	Cancel []OpID // operations whose outcome is not wanted any more
	Send   []*wire.AgentMessage
	Hangup bool   // end the session and open another one
	Save   []byte // what to keep on disk; nil: nothing new

	Removed   bool             // the node is no member of the cluster any more: nothing else will come
	Peers     *Peers           // the managers and this node's role; nil: nothing new
	OpenLogs  []*wire.OpenLogs // output that a manager wants sent to it
	CloseLogs []model.ID       // streams of output that nobody reads any more
	Questions []*wire.Question // what a manager wants to know of the node
	Networks  *[]model.ID      // the networks of assigned tasks, when they may be others; nil: nothing new
	Fabric    []*wire.Fabric   // what the managers say of the networks, in order; each is whole
	Volumes   []staging.Op     // operations on cluster volumes
}

// New makes the agent of a node. saved is what an earlier one last gave out in Output.Save, or nil.
func New(opts Options, saved []byte) (*Machine, error) {
	if opts.Work <= 0 {
		opts.Work = defaultWork
	}
	if opts.Together <= 0 {
		opts.Together = opts.Work
	}
	if opts.Stops <= 0 {
		opts.Stops = defaultStops
	}
	if opts.Lease <= 0 {
		opts.Lease = defaultLease
	}
	m := &Machine{opts: opts, tasks: map[model.ID]*task{}, isDue: map[model.ID]bool{}, set: newAssignments()}
	m.ops, m.volumes = newOpQueue(opts), staging.New(opts.Volumes)
	if err := m.restore(saved); err != nil {
		return nil, err
	}
	return m, nil
}

// Describe says what the node is; nothing is reported before it is known.
func (m *Machine) Describe(d swarm.NodeDescription) {
	m.node = &d
	d.TLSInfo, d.CSIInfo = m.tls, m.csi
	raw := model.DocOf(d).Raw()
	m.hostname = d.Hostname
	if !bytes.Equal(m.desc, raw) {
		m.desc, m.link.described = raw, false
	}
}

// Certified says which authority the node's certificate is of, and what the node trusts.
func (m *Machine) Certified(info swarm.TLSInfo) {
	m.tls = info
	if m.node != nil {
		m.Describe(*m.node)
	}
}

// Strangers lists the running containers of tasks that only an older epoch knows.
func (m *Machine) Strangers() []executor.Container {
	var list []executor.Container
	for _, t := range m.tasks {
		if t.stranger && t.has {
			list = append(list, t.container)
		}
	}
	slices.SortFunc(list, func(a, b executor.Container) int { return a.TaskID.Compare(b.TaskID) })
	return list
}

// Step does all that can be done at now and returns when it wants to be called again though nothing happened; the
// zero time means never.
func (m *Machine) Step(now time.Time) (Output, time.Time) {
	var out Output
	for _, id := range m.wake.Pop(now) {
		m.touch(id)
	}
	due := m.due
	m.due, m.isDue = nil, make(map[model.ID]bool, len(due))
	for _, id := range due {
		if t := m.tasks[id]; t != nil {
			m.look(now, t, &out)
		}
	}
	volumes := m.stepVolumes(now, &out)
	m.dispatch(now, &out)
	m.talk(now, &out)
	m.save(now, &out)
	out.Removed, out.Peers, out.OpenLogs, out.CloseLogs = m.expelled, m.peers, m.openLogs, m.closeLogs
	m.peers, m.openLogs, m.closeLogs = nil, nil, nil
	out.Questions, m.questions = m.questions, nil
	out.Networks = m.networks()
	out.Fabric, m.fabric.out = m.fabric.out, nil
	return out, earliest(m.wake.Next(), m.link.beat, m.link.patience(), m.link.ripeAt(), m.saveAt, m.nextTurn(), volumes)
}

// touch has a task looked at in the next step.
func (m *Machine) touch(id model.ID) {
	if !m.isDue[id] {
		m.isDue[id] = true
		m.due = append(m.due, id)
	}
}

// touchAll has every task looked at, in an order that does not depend on a map's.
func (m *Machine) touchAll() {
	for _, id := range m.ids() {
		m.touch(id)
	}
}

func (m *Machine) ids() []model.ID { return slices.SortedFunc(maps.Keys(m.tasks), model.ID.Compare) }

func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
