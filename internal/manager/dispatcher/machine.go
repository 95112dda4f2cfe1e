package dispatcher

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// maxInFlight bounds the batches under way; further reports wait in their sessions.
const maxInFlight = 8

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

	Withdrawn     uint64 // tasks that stopped when no node balanced to them any more
	WithdrawnLate uint64 // tasks that stopped though a node had not said so in time
	ForeignGuests uint64 // guests on networks that there are none of, or under another's id
}

// Machine is the dispatcher of one leader term. It belongs to one goroutine.
type Machine struct {
	store  *store.Store
	commit store.Committer

	started  bool
	self     uint64 // the raft id of the member it runs on; 0: not told
	seen     uint64
	view     store.View
	period   time.Duration
	wakeAt   time.Time // when the last step asked to be called again
	nodes    map[model.ID]*node
	sessions map[SessionID]*session
	talking  map[SessionID]*session // those that have something in their inbox, or reports to be acknowledged
	lastID   SessionID
	deadline control.WakeQueue[model.ID]
	unplaced map[model.ID]model.ID // tasks whose placement went before they did, and where they were
	objects  map[model.ID]bool     // networks that changed, for the sessions that know them
	due      map[model.ID]bool     // nodes whose assignments may have changed
	peers    peers
	fabric   fabric

	// What is decided but not yet in the view.
	statuses map[model.ID]*model.TaskStatus // newest row proposed
	pending  batch
	flights  []flight

	out      []Envelope
	asks     []SecretAsk
	late     []model.ID // see [Machine.Late]
	counters Counters
}

// node is what the dispatcher knows of one member of the cluster.
type node struct {
	id      model.ID
	state   *model.NodeState // newest row stored or proposed; nil when nothing was ever heard
	heard   time.Time
	until   time.Time // not to be taken for down before; zero: the usual limit
	lease   int64     // Unix nanoseconds until which its restart is waited for; 0: it announced none
	spared  bool      // it has fallen silent with many others and is waited for once more
	unheard bool      // this leader has not heard of it yet
	session *session
	dirty   map[model.ID]bool              // tasks whose assignment may have changed
	guests  map[model.ID]*model.Attachment // newest rows stored or proposed; nil: not looked at
	volumes *model.NodeVolumes             // newest row proposed; nil: the one stored
}

// session is one agent's connection.
type session struct {
	id       SessionID
	node     model.ID
	addr     string
	underlay string // where overlay packets reach the node, as it says; empty: at addr
	encrypts bool   // it says how the node carries encrypted networks
	welcomed bool
	bye      bool // the agent said that it restarts
	role     model.Role
	issuer   []byte // the authority that the node was told to have its certificate of
	nonce    uint64
	inbox    []*wire.AgentMessage
	seq      uint64 // newest batch of reports judged
	acked    uint64
	known    known
	feed     feed
}

// New makes the dispatcher of a leader term. The store must show everything that was committed before the term.
func New(s *store.Store, c store.Committer) *Machine {
	return &Machine{
		store: s, commit: c, nodes: map[model.ID]*node{}, sessions: map[SessionID]*session{}, talking: map[SessionID]*session{},
		unplaced: map[model.ID]model.ID{}, objects: map[model.ID]bool{}, due: map[model.ID]bool{}, statuses: map[model.ID]*model.TaskStatus{},
		fabric: newFabric(),
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
		if msg.GetHeartbeat() != nil && n.calm() {
			m.send(s, wire.FromAnswer(&wire.Heartbeat{}))
			return // most of what a large cluster sends: nothing is to be judged
		}
		if a := msg.GetFabricApplied(); a != nil {
			m.applied(now, s, a)
		}
	}
	s.inbox = append(s.inbox, msg)
	m.talking[id] = s
}

// Closed says that a session's connection broke.
func (m *Machine) Closed(now time.Time, id SessionID) {
	s := m.sessions[id]
	if s == nil {
		return
	}
	m.forget(s)
	if n := m.nodes[s.node]; n != nil && n.session == s {
		m.lastWords(now, s)
		n.session, n.dirty = nil, nil
		if !s.bye {
			m.setNode(now, n, model.ReachDisconnected, "the connection to the node's agent was lost", nil)
		}
	}
}

func (m *Machine) forget(s *session) {
	delete(m.sessions, s.id)
	delete(m.talking, s.id)
	m.away(s)
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
	m.overslept(now)
	if len(m.flights) < maxInFlight {
		for _, s := range m.sessionsInOrder() {
			m.judge(now, s)
		}
	}
	m.silence(now)
	m.updateFabric()
	m.tellFabric(now)
	m.withdraw(now)
	m.assign(now)
	m.tellPeers(now)
	m.submit()
	out := m.out
	m.out = nil
	m.wakeAt = earliest(earliest(m.deadline.Next(), m.peers.at), m.fabric.nextRelease())
	return out, m.wakeAt, nil
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// sessionsInOrder makes a run reproducible.
func (m *Machine) sessionsInOrder() []*session {
	var list []*session
	for _, s := range m.talking {
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
	bye := &wire.Goodbye{Reason: reason, Text: text}
	if c := store.TheCluster(m.view); c != nil {
		bye.Epoch = c.Epoch
	}
	m.out = append(m.out, Envelope{Session: s.id, Msg: wire.FromGoodbye(bye), End: true})
	m.forget(s)
	if n := m.nodes[s.node]; n != nil && n.session == s {
		n.session, n.dirty = nil, nil
	}
}
