package dispatcher

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// defaultPeriod is swarm's heartbeat period, used when the cluster's spec names none.
	defaultPeriod = 5 * time.Second
	// missedBeats is how many periods of silence make a node Down.
	missedBeats = 3
	// maxInFlight bounds the batches under way; further reports wait in their sessions.
	maxInFlight = 8
)

// SessionID names a session inside one Machine.
type SessionID uint64

// Envelope is a message to the agent of a session. With End the session is over after it.
type Envelope struct {
	Session SessionID
	Msg     *wire.ManagerMessage
	End     bool
}

// Counters tell what was ignored, and why.
type Counters struct {
	NotPlaced uint64 // reports about tasks that are not on the node they came from
	Backwards uint64 // reports that would have moved a task backwards
	Malformed uint64 // reports that made no sense
}

// Machine is the dispatcher of one leader term. It belongs to one goroutine.
type Machine struct {
	store  *store.Store
	commit store.Committer

	started  bool
	seen     uint64
	view     store.View
	period   time.Duration
	nodes    map[model.ID]*node
	sessions map[SessionID]*session
	lastID   SessionID
	deadline control.WakeQueue[model.ID]
	unplaced map[model.ID]model.ID // tasks whose placement went before they did, and where they were
	objects  map[model.ID]bool     // networks that changed, for the sessions that know them
	due      map[model.ID]bool     // nodes whose assignments may have changed

	// What is decided but not yet in the view.
	statuses map[model.ID]*model.TaskStatus // newest row proposed
	pending  batch
	flights  []flight

	out      []Envelope
	counters Counters
}

// node is what the dispatcher knows of one member of the cluster.
type node struct {
	id      model.ID
	state   *model.NodeState // newest row stored or proposed; nil when nothing was ever heard
	heard   time.Time
	session *session
	dirty   map[model.ID]bool // tasks whose assignment may have changed
}

// session is one agent's connection.
type session struct {
	id       SessionID
	node     model.ID
	addr     string
	welcomed bool
	nonce    uint64
	inbox    []*wire.AgentMessage
	seq      uint64 // newest batch of reports judged
	acked    uint64
	known    known
}

// New makes the dispatcher of a leader term. The store must show everything that was committed before the term.
func New(s *store.Store, c store.Committer) *Machine {
	return &Machine{
		store: s, commit: c, nodes: map[model.ID]*node{}, sessions: map[SessionID]*session{},
		unplaced: map[model.ID]model.ID{}, objects: map[model.ID]bool{}, due: map[model.ID]bool{}, statuses: map[model.ID]*model.TaskStatus{},
	}
}

// Open begins a session of a node whose identity the transport has proved.
func (m *Machine) Open(nodeID model.ID, addr string) SessionID {
	m.lastID++
	m.sessions[m.lastID] = &session{id: m.lastID, node: nodeID, addr: addr, known: newKnown()}
	return m.lastID
}

// Deliver hands a message of an agent over; it is judged in the next Step. A session that has ended is no error.
func (m *Machine) Deliver(now time.Time, id SessionID, msg *wire.AgentMessage) {
	s := m.sessions[id]
	if s == nil {
		return
	}
	if n := m.nodes[s.node]; n != nil && n.session == s {
		n.heard = now
	}
	s.inbox = append(s.inbox, msg)
}

// Closed says that a session's connection broke.
func (m *Machine) Closed(now time.Time, id SessionID) {
	s := m.sessions[id]
	if s == nil {
		return
	}
	delete(m.sessions, id)
	if n := m.nodes[s.node]; n != nil && n.session == s {
		n.session, n.dirty = nil, nil
		m.setNode(now, n, model.ReachDisconnected, "the connection to the node's agent was lost", nil)
	}
}

// Counters returns what was ignored so far.
func (m *Machine) Counters() Counters { return m.counters }

// Landed is closed when the outcome of the oldest batch under way is known; nil when there is none.
func (m *Machine) Landed() <-chan struct{} {
	if len(m.flights) == 0 {
		return nil
	}
	return m.flights[0].pending.Done()
}

// Step does all that can be done at now. It returns the messages to send, in order, and when it wants to be called
// again though nothing happened; the zero time means never. An error ends the leader's term.
func (m *Machine) Step(now time.Time) ([]Envelope, time.Time, error) {
	if err := m.land(); err != nil {
		return nil, time.Time{}, fmt.Errorf("dispatcher: %w", err)
	}
	m.observe(now)
	if len(m.flights) < maxInFlight {
		for _, s := range m.sessionsInOrder() {
			m.judge(now, s)
		}
	}
	m.silence(now)
	m.assign(now)
	m.submit()
	out := m.out
	m.out = nil
	return out, m.deadline.Next(), nil
}

// sessionsInOrder makes a run reproducible.
func (m *Machine) sessionsInOrder() []*session {
	var list []*session
	for _, s := range m.sessions {
		if len(s.inbox) > 0 {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	return list
}

func (m *Machine) send(s *session, msg *wire.ManagerMessage) {
	m.out = append(m.out, Envelope{Session: s.id, Msg: msg})
}

// end says goodbye and forgets the session.
func (m *Machine) end(s *session, reason wire.Goodbye_Reason, text string) {
	msg := wire.FromGoodbye(&wire.Goodbye{Reason: reason, Text: text})
	m.out = append(m.out, Envelope{Session: s.id, Msg: msg, End: true})
	delete(m.sessions, s.id)
	if n := m.nodes[s.node]; n != nil && n.session == s {
		n.session, n.dirty = nil, nil
	}
}

func periodOf(c *model.Cluster) time.Duration {
	if c == nil {
		return defaultPeriod
	}
	return orDefault(c.Spec.Get())
}

func orDefault(spec *swarm.Spec) time.Duration {
	if p := spec.Dispatcher.HeartbeatPeriod; p > 0 {
		return p
	}
	return defaultPeriod
}
