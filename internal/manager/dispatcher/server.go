package dispatcher

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// outLimit bounds the messages that wait for a slow agent; one that falls further behind is cut off and starts
	// over with a full set.
	outLimit = 256
	// inLimit bounds what an agent may send ahead of the dispatcher.
	inLimit = 1024
)

// Server runs the dispatcher of one leader term and takes connections. Connect may be called from any goroutine.
type Server struct {
	machine *Machine
	store   *store.Store
	clock   env.Clock
	drivers SecretDrivers // nil: secrets that drivers keep reach nobody
	log     *slog.Logger

	mu       sync.Mutex
	ended    bool
	inbox    []input
	counters Counters      // as of the last step
	wake     chan struct{} // holds a token when there is something to do

	conns map[SessionID]*conn // of Run's goroutine
}

// input is what a connection has to say: its beginning, a message, or its end.
type input struct {
	conn *conn
	msg  *wire.AgentMessage
	open bool
	ask  *asking

	secret *secretInput
}

// secretInput is a secret driver's answer.
type secretInput struct {
	ask    SecretAsk
	answer SecretAnswer
}

// NewServer makes the dispatcher of a leader term; see [New].
func NewServer(s *store.Store, c store.Committer, clock env.Clock) *Server {
	return &Server{machine: New(s, c), store: s, clock: clock, log: slog.New(slog.DiscardHandler), wake: make(chan struct{}, 1), conns: map[SessionID]*conn{}}
}

// UseDrivers says who asks the drivers that keep secrets; it is called before Run.
func (s *Server) UseDrivers(d SecretDrivers) { s.drivers = d }

// UseLog says where to tell what goes wrong; it is called before Run.
func (s *Server) UseLog(log *slog.Logger) { s.log = log }

// Lead says on which member the dispatcher runs; it is called before Run.
func (s *Server) Lead(raftID uint64) { s.machine.Lead(raftID) }

// Connect opens a session inside this process for a node, which is reached at addr. After the server's end it returns
// a session that has ended.
func (s *Server) Connect(nodeID model.ID, addr string) wire.Session {
	c := &conn{server: s, node: nodeID, addr: addr, out: make(chan *wire.ManagerMessage, outLimit)}
	if !s.put(input{conn: c, open: true}) {
		c.closed = true
		close(c.out)
	}
	return c
}

// Run dispatches until ctx ends or a commit fails; then every session ends.
func (s *Server) Run(ctx context.Context) error {
	defer s.stop()
	for {
		changed := s.store.Changed()
		for _, in := range s.take() {
			s.handle(in)
		}
		out, next, err := s.machine.Step(s.clock.Now())
		if err != nil {
			return err
		}
		for _, e := range out {
			s.deliver(e)
		}
		for _, ask := range s.machine.Asks() {
			s.getSecret(ctx, ask)
		}
		s.tellLate()
		s.count()
		if err := s.sleep(ctx, changed, next); err != nil {
			return err
		}
	}
}

// getSecret has a driver asked; its answer comes back as an input.
func (s *Server) getSecret(ctx context.Context, ask SecretAsk) {
	answered := func(a SecretAnswer) { s.put(input{secret: &secretInput{ask, a}}) }
	if s.drivers == nil {
		answered(SecretAnswer{Err: errors.New("this manager cannot ask secret drivers")})
		return
	}
	s.drivers.Get(ctx, ask, answered)
}

// tellLate logs which nodes tasks were not withdrawn from in time.
func (s *Server) tellLate() {
	for _, id := range s.machine.Late() {
		name := id.String()
		if n := store.NodeStates.ByID(s.store.View(), id); n != nil {
			name = cmp.Or(n.Description.Get().Hostname, name)
		}
		s.log.Warn("tasks stop though a node has not said that it sends them no more connections: some by way of it may fail", "node", name, "waited", withdrawWait)
	}
}

// Counters tells, from any goroutine, what was counted in this term so far.
func (s *Server) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counters
}

func (s *Server) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters = s.machine.Counters()
}

func (s *Server) sleep(ctx context.Context, changed <-chan struct{}, next time.Time) error {
	var timer <-chan time.Time
	if !next.IsZero() {
		var stop func()
		timer, stop = s.clock.NewTimer(next.Sub(s.clock.Now()))
		defer stop()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-s.wake:
	case <-s.machine.Landed():
	case <-timer:
	}
	return nil
}

func (s *Server) handle(in input) {
	switch {
	case in.ask != nil:
		in.ask.answer <- s.machine.Ask(in.ask.node, in.ask.msg)
	case in.secret != nil:
		s.machine.Provided(in.secret.ask, in.secret.answer)
	case in.open:
		in.conn.id = s.machine.Open(in.conn.node, in.conn.addr)
		s.conns[in.conn.id] = in.conn
	case in.msg != nil:
		s.machine.Deliver(s.clock.Now(), in.conn.id, in.msg)
	default:
		s.drop(in.conn)
	}
}

// deliver hands a message to its connection; an agent that does not read is cut off.
func (s *Server) deliver(e Envelope) {
	c := s.conns[e.Session]
	if c == nil {
		return
	}
	select {
	case c.out <- e.Msg:
	default:
		s.drop(c)
		return
	}
	if e.End {
		s.drop(c)
	}
}

func (s *Server) drop(c *conn) {
	if s.conns[c.id] != c {
		return
	}
	delete(s.conns, c.id)
	s.machine.Closed(s.clock.Now(), c.id)
	s.mu.Lock()
	c.closed = true
	s.mu.Unlock()
	close(c.out)
	s.poke() // the machine has something to write down
}

// stop ends all sessions, those too that were opened but not taken up.
func (s *Server) stop() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	for _, in := range s.take() {
		switch {
		case in.open:
			s.handle(in)
		case in.ask != nil:
			in.ask.answer <- store.ErrNotLeader
		}
	}
	for _, c := range s.conns {
		s.deliver(Envelope{Session: c.id, End: true, Msg: wire.FromGoodbye(&wire.Goodbye{
			Reason: wire.Goodbye_LEADER_CHANGED, Text: "this manager does not lead the cluster any more"})})
	}
}

func (s *Server) put(in input) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.inbox = append(s.inbox, in)
	s.poke()
	return true
}

// poke has Run go round once more.
func (s *Server) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Server) take() []input {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.inbox
	s.inbox = nil
	for _, i := range in {
		if i.msg != nil {
			i.conn.waiting--
		}
	}
	return in
}

// conn implements wire.Session.
type conn struct {
	server *Server
	node   model.ID
	addr   string
	id     SessionID // of Run's goroutine
	out    chan *wire.ManagerMessage

	closed  bool // under server.mu, as is waiting
	waiting int
}

func (c *conn) Send(msg *wire.AgentMessage) error {
	c.server.mu.Lock()
	if c.closed || c.waiting >= inLimit {
		c.server.mu.Unlock()
		return wire.ErrEnded
	}
	c.waiting++
	c.server.mu.Unlock()
	if !c.server.put(input{conn: c, msg: msg}) {
		return wire.ErrEnded
	}
	return nil
}

func (c *conn) Recv() <-chan *wire.ManagerMessage { return c.out }

func (c *conn) Close() {
	c.server.mu.Lock()
	closed := c.closed
	c.closed = true
	c.server.mu.Unlock()
	if !closed {
		c.server.put(input{conn: c})
	}
}
