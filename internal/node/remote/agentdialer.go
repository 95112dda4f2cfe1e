package remote

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// dialsAtOnce bounds the managers tried for one session.
	dialsAtOnce = 16
	// openWait is how long a manager may take to say its first word. One that was too slow has perhaps more nodes to greet at
	// once than it can: each time in a row it is given twice as long, for all that was done until then is lost.
	openWait     = 2 * time.Second
	openWaitMost = 16 * time.Second
	// redialJitter spreads the nodes that lost the same manager. In a large cluster it is a heartbeat period, which grows with
	// the number of nodes: the next leader greets so many in that time as it hears heartbeats.
	redialJitter = 250 * time.Millisecond
	longPeriod   = 2 * time.Second
)

// AgentDialer implements [wire.Dialer]: it finds the manager that leads.
type AgentDialer struct {
	managers func() []Manager
	dialer   *Dialer
	env      env.Env

	mu     sync.Mutex
	period time.Duration // the heartbeats', as managers say; 0: not known
	slow   int           // how often in a row a manager did not answer in time
	dialed bool
	live   int     // sessions that have not ended
	leader Manager // as the manager of the last session said when it ended it; zero: it did not
	broken string  // address of the manager whose session ended without a word; asked last
}

// NewAgentDialer makes a dialer of sessions. managers are those known to this node, from its disk, its join or the last
// session.
func NewAgentDialer(managers func() []Manager, d *Dialer) *AgentDialer {
	return &AgentDialer{managers: managers, dialer: d, env: d.cfg.Env}
}

// Dial implements [wire.Dialer]. It asks the manager that is thought to lead, then the others in random order, and goes
// where it is sent.
func (a *AgentDialer) Dial(ctx context.Context) (wire.Session, error) {
	a.spread(ctx)
	var errs []error
	left, broken := a.candidates()
	tried := map[string]bool{}
	for len(left) > 0 && len(tried) < dialsAtOnce {
		m := left[0]
		left = left[1:]
		if tried[m.Addr] {
			continue
		}
		tried[m.Addr] = true
		s, leader, err := a.open(ctx, m)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		errs = append(errs, err)
		switch leader.Addr {
		case "":
		case broken: // until a new one is elected the old one is named
			left = append(left, leader)
		default:
			left = slices.Insert(left, 0, leader)
		}
	}
	if len(errs) == 0 {
		return nil, fmt.Errorf("%w: this node knows no manager's address", ErrUnreachable)
	}
	return nil, errors.Join(errs...)
}

// spread waits a little before every session but the first.
func (a *AgentDialer) spread(ctx context.Context) {
	a.mu.Lock()
	again, over := a.dialed, redialJitter
	if a.period >= longPeriod {
		over = a.period
	}
	a.dialed = true
	a.mu.Unlock()
	if again {
		pause(ctx, a.env, time.Duration(a.random(uint64(over))))
	}
}

// candidates are the managers in the order in which they are tried, and the address of one that may be dead.
func (a *AgentDialer) candidates() (list []Manager, broken string) {
	list = slices.Clone(a.managers())
	for i := range list {
		j := i + int(a.random(uint64(len(list)-i)))
		list[i], list[j] = list[j], list[i]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	rank := func(m Manager) int {
		switch {
		case m.Addr == a.broken: // it may still be thought to lead, and takes seconds to give up
			return 2
		case m.Leader:
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(x, y Manager) int { return rank(x) - rank(y) })
	if a.leader.Addr != "" {
		list = slices.Insert(list, 0, a.leader)
	}
	broken = a.broken
	a.leader, a.broken = Manager{}, ""
	return list, broken
}

func (a *AgentDialer) random(below uint64) uint64 {
	var b [8]byte
	if _, err := io.ReadFull(a.env.Rand, b[:]); err != nil {
		return 0
	}
	return binary.BigEndian.Uint64(b[:]) % below
}

// open opens a session with a manager. One that does not lead says who does, if it knows.
func (a *AgentDialer) open(ctx context.Context, to Manager) (s *session, leader Manager, err error) {
	wait, cancel := context.WithTimeout(ctx, a.patience())
	defer cancel()
	defer func() { a.answered(err == nil || leader.Addr != "", ctx.Err() == nil && wait.Err() != nil) }()
	l, err := a.dialer.ready(wait, to)
	if err != nil {
		a.dialer.discard(to)
		return nil, leader, err
	}
	// The session outlives this call: its end is Close, not ctx.
	sctx, end := l.bound(context.WithoutCancel(ctx))
	giveUp := context.AfterFunc(wait, end)
	stream, err := wire.NewDispatcherClient(l.cc).Connect(sctx, grpc.MaxCallRecvMsgSize(maxAssignments))
	var first *wire.ManagerMessage
	if err == nil {
		first, err = stream.Recv()
	}
	if !giveUp() && err == nil {
		err = wait.Err()
	}
	if err == nil {
		if bye := first.GetGoodbye(); bye != nil {
			leader = managerOf(bye.Leader)
			err = &answered{fmt.Sprintf("the manager at %s: %s", to.Addr, bye.Text), nil}
		}
	}
	if err != nil {
		end()
		l.release()
		if said, ok := answer(err); ok {
			err = said
		} else if leader.Addr == "" && first == nil {
			err = unreachable(to, nil, a.env.Now(), err)
		}
		return nil, leader, err
	}
	s = newSession(stream, end, func(bye *wire.Goodbye) {
		l.release()
		a.ended(to, bye)
	})
	s.welcomed = a.beats
	a.mu.Lock()
	a.live++
	a.mu.Unlock()
	s.start()
	return s, leader, nil
}

// patience is how long the next manager may take.
func (a *AgentDialer) patience() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return min(openWait<<min(a.slow, 10), openWaitMost)
}

// answered notes whether a manager has answered, and whether it was too slow to.
func (a *AgentDialer) answered(well, slow bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case well:
		a.slow = 0
	case slow:
		a.slow++
	}
}

// beats notes how often the managers want to hear of the node.
func (a *AgentDialer) beats(period time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.period = period
}

// Connected reports whether a manager has a session with this node, as far as is known.
func (a *AgentDialer) Connected() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.live > 0
}

// ended notes how a session ended, for the next one.
func (a *AgentDialer) ended(with Manager, bye *wire.Goodbye) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live--
	if bye == nil {
		a.broken = with.Addr
		return
	}
	a.leader = managerOf(bye.Leader)
}

// managerOf reads a manager; what cannot be read is the zero one.
func managerOf(m *wire.Manager) Manager {
	node, err := wire.ID(m.GetNodeId())
	if err != nil || m.GetAddr() == "" {
		return Manager{}
	}
	return Manager{Node: node, Addr: m.Addr, Leader: m.Leader}
}
