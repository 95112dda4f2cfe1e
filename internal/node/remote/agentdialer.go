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
	// openWait is how long a manager may take to say its first word.
	openWait = 5 * time.Second
	// redialJitter spreads the nodes that lost the same manager.
	redialJitter = 250 * time.Millisecond
)

// AgentDialer implements [wire.Dialer]: it finds the manager that leads.
type AgentDialer struct {
	managers func() []Manager
	dialer   *Dialer
	env      env.Env

	mu     sync.Mutex
	leader Manager // as the last session or goodbye said; zero: not known
	dialed bool
	told   func([]Manager)
}

// NewAgentDialer makes a dialer of sessions. managers are those known to this node, from its disk, its join or the last
// session; told is called with each newer list, before anything that follows it in a session, and may be nil.
func NewAgentDialer(managers func() []Manager, d *Dialer, told func([]Manager)) *AgentDialer {
	if told == nil {
		told = func([]Manager) {}
	}
	return &AgentDialer{managers: managers, dialer: d, env: d.cfg.Env, told: told}
}

// Dial implements [wire.Dialer]. It asks the manager that is thought to lead, then the others in random order, and goes
// where it is sent.
func (a *AgentDialer) Dial(ctx context.Context) (wire.Session, error) {
	a.spread(ctx)
	var errs []error
	left, tried := a.candidates(), map[string]bool{}
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
		if leader.Addr != "" {
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
	again := a.dialed
	a.dialed = true
	a.mu.Unlock()
	if again {
		pause(ctx, a.env, time.Duration(a.random(uint64(redialJitter))))
	}
}

func (a *AgentDialer) candidates() []Manager {
	list := slices.Clone(a.managers())
	for i := range list {
		j := i + int(a.random(uint64(len(list)-i)))
		list[i], list[j] = list[j], list[i]
	}
	slices.SortStableFunc(list, func(x, y Manager) int {
		if x.Leader == y.Leader {
			return 0
		}
		if x.Leader {
			return -1
		}
		return 1
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leader.Addr != "" {
		list = slices.Insert(list, 0, a.leader)
		a.leader = Manager{} // if it does not lead it is not the first to be asked again
	}
	return list
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
	wait, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	l, err := a.dialer.ready(wait, to)
	if err != nil {
		return nil, leader, err
	}
	// The session outlives this call: its end is Close, not ctx.
	sctx, end := l.bound(context.WithoutCancel(ctx), a.env)
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
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w at %s: it ended the session at once", ErrUnreachable, to.Addr)
		}
		var said *answered
		if !errors.As(err, &said) {
			err = a.dialer.meaning(to, err)
		}
		return nil, leader, err
	}
	s = newSession(stream, end, l.release, a.hear)
	s.start(first)
	return s, leader, nil
}

// hear takes what concerns the way to the managers out of a session. It reports whether the agent is to see it.
func (a *AgentDialer) hear(msg *wire.ManagerMessage) bool {
	if bye := msg.GetGoodbye(); bye.GetLeader() != nil {
		a.lead(managerOf(bye.Leader))
	}
	list := msg.GetManagers()
	if list == nil {
		return true
	}
	var managers []Manager
	for _, m := range list.Managers {
		one := managerOf(m)
		if one.Addr == "" {
			continue
		}
		managers = append(managers, one)
		if one.Leader {
			a.lead(one)
		}
	}
	if len(managers) > 0 {
		a.told(managers)
	}
	return false
}

func (a *AgentDialer) lead(m Manager) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leader = m
}

// managerOf reads a manager; what cannot be read is the zero one.
func managerOf(m *wire.Manager) Manager {
	node, err := wire.ID(m.GetNodeId())
	if err != nil || m.GetAddr() == "" {
		return Manager{}
	}
	return Manager{Node: node, Addr: m.Addr, Leader: m.Leader}
}
