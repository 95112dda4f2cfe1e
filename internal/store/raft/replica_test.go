package raft_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/raft/rafttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peers carries messages between replicas of one test.
type peers struct {
	mu   sync.Mutex
	all  map[uint64]*raft.Replica
	down map[uint64]bool
	wg   sync.WaitGroup
	// uncommitted and queue bound what waits; 0: the defaults
	uncommitted uint64
	queue       int
}

type link struct {
	p    *peers
	from uint64
}

func (l link) Send(msgs []*pb.Message) {
	for _, msg := range msgs {
		l.p.wg.Go(func() { l.p.carry(proto.Clone(msg).(*pb.Message)) })
	}
}

func (p *peers) carry(msg *pb.Message) {
	p.mu.Lock()
	from, to := p.all[msg.GetFrom()], p.all[msg.GetTo()]
	lost := to == nil || p.down[msg.GetFrom()] || p.down[msg.GetTo()]
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	switch {
	case msg.GetType() == pb.MsgSnap:
		err := errors.New("lost")
		if !lost {
			var body io.ReadCloser
			if body, err = from.OpenSnapshot(msg); err == nil {
				err = to.StepSnapshot(ctx, msg, body)
			}
		}
		_ = from.SnapshotSent(ctx, msg.GetTo(), err == nil) // stopped: nobody waits for it
	case lost:
		_ = from.Unreachable(ctx, msg.GetTo())
	default:
		to.Step(msg)
	}
}

// disk is how long a disk takes to save.
const disk = time.Millisecond

// words is a state machine that joins what it is given.
type words struct {
	mu   sync.Mutex
	text string
	lead raft.Leadership
}

func (s *words) Apply(entries []raft.Entry, _ uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.text += string(e.Data) + " "
	}
}
func (s *words) Configure(uint64, uint64, []raft.Member) {}
func (s *words) Lead(l raft.Leadership) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lead = l
}

func (s *words) get() (string, raft.Leadership) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text, s.lead
}

func (s *words) Snapshot() func(io.Writer) error {
	text, _ := s.get()
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func (s *words) Restore(r io.Reader, _, _ uint64) error {
	b, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = string(b)
	return err
}

type member struct {
	*raft.Replica
	sm   *words
	log  *rafttest.Log
	stop context.CancelFunc
	done chan error
}

func (p *peers) start(t *testing.T, id uint64, bootstrap bool) *member {
	t.Helper()
	m := &member{sm: &words{}, log: rafttest.NewLog(raft.Identity{ID: id}, disk), done: make(chan error, 1)}
	if bootstrap {
		if err := raft.Bootstrap(m.log, "addr"); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	m.Replica, err = raft.OpenReplica(raft.Options{
		Config: raft.Config{SnapshotEntries: 5, TrailingEntries: 1, UncommittedBytes: p.uncommitted}, Queue: p.queue, Log: m.log, StateMachine: m.sm, Transport: link{p, id}, Env: env.Real(),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.all[id] = m.Replica
	p.mu.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	go func() { m.done <- m.Run(ctx) }()
	return m
}

func (m *member) leads(t *testing.T, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); !m.Leadership().Leading; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no leader after %v: %+v", within, m.Leadership())
		}
	}
}

// A snapshot for a member of another group, as an old leader sends it to where a member used to be, is not kept.
func TestASnapshotForAnotherMemberIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peers{all: map[uint64]*raft.Replica{}, down: map[uint64]bool{}}
		one := p.start(t, 1, true)
		one.leads(t, 50*time.Millisecond)
		msg := &pb.Message{Type: pb.MsgSnap.Enum(), To: new(uint64(2)), From: new(uint64(3)), Snapshot: &pb.Snapshot{
			Metadata: &pb.SnapshotMetadata{Index: new(uint64(900)), Term: new(uint64(9)), ConfState: &pb.ConfState{Voters: []uint64{2, 3}}}}}
		if err := one.StepSnapshot(t.Context(), msg, strings.NewReader("old")); err == nil || !strings.Contains(err.Error(), "another group") {
			t.Errorf("the answer is %v", err)
		}
		if _, err := one.log.OpenSnapshot(msg.Snapshot); err == nil {
			t.Error("it was kept")
		}
		one.stop()
		if err := <-one.done; err != nil {
			t.Error(err)
		}
	})
}

// Three replicas with their goroutines: a member joins late by snapshot, a leader is handed over, a leader is cut off.
func TestThreeReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		p := &peers{all: map[uint64]*raft.Replica{}, down: map[uint64]bool{}}
		one := p.start(t, 1, true)
		one.leads(t, 50*time.Millisecond)
		for i := range 12 {
			if err := one.Propose(fmt.Appendf(nil, "w%d", i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		two, three := p.start(t, 2, false), p.start(t, 3, false)
		if err := one.Change(ctx, raft.Change{Learners: []raft.Member{{ID: 2, Addr: "b"}, {ID: 3, Addr: "c"}}}); err != nil {
			t.Fatal(err)
		}
		if err := one.Change(ctx, raft.Change{Voters: []raft.Member{{ID: 2}, {ID: 3}}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		want, _ := one.sm.get()
		for _, m := range []*member{two, three} {
			if _, err := m.ReadIndex(ctx); err != nil {
				t.Fatal(err)
			}
			if got, _ := m.sm.get(); got != want {
				t.Fatalf("a follower holds %q, the leader %q", got, want)
			}
		}
		if err := two.Propose([]byte("x")); !errors.Is(err, raft.ErrNotLeader) {
			t.Fatalf("a follower took a proposal: %v", err)
		}
		if err := one.Transfer(ctx, 2); err != nil {
			t.Fatal(err)
		}
		two.leads(t, time.Second)

		p.mu.Lock()
		p.down[2] = true
		p.mu.Unlock()
		if err := two.Propose([]byte("lost")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		if _, lead := two.sm.get(); lead.Leading {
			t.Fatal("a leader that is cut off still leads after six seconds")
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		if _, err := two.ReadIndex(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a read without a quorum ended with %v", err)
		}
		cancel()
		leader := one
		if three.Leadership().Leading {
			leader = three
		}
		leader.leads(t, time.Millisecond)
		if err := leader.Propose([]byte("kept")); err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		p.down[2] = false
		p.mu.Unlock()
		time.Sleep(3 * time.Second)
		for _, m := range []*member{one, two, three} {
			if got, _ := m.sm.get(); got != want+"kept " {
				t.Errorf("a member holds %q", got)
			}
			m.stop()
			if err := <-m.done; err != nil {
				t.Error(err)
			}
			if _, lead := m.sm.get(); lead.Leading || lead.Leader != 0 {
				t.Errorf("the state machine was not told that its replica stopped: %+v", lead)
			}
			if _, err := m.ReadIndex(ctx); !errors.Is(err, raft.ErrStopped) {
				t.Errorf("a stopped replica answers a read with %v", err)
			}
		}
		p.wg.Wait()
	})
}

// A leader whose disk fails stops, and says that it leads no more: half a manager is worse than none.
func TestDiskFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peers{all: map[uint64]*raft.Replica{}}
		m := p.start(t, 1, true)
		m.leads(t, time.Second)
		broken := errors.New("input/output error")
		m.log.Fail(broken)
		if err := m.Propose([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := <-m.done; !errors.Is(err, broken) {
			t.Fatalf("Run ended with %v", err)
		}
		if text, lead := m.sm.get(); text != "" || lead.Leading {
			t.Fatalf("applied %q, leadership %+v", text, lead)
		}
	})
}

// A full queue is said, not waited for; nothing that was taken is lost, in order.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peers{all: map[uint64]*raft.Replica{}, uncommitted: 100, queue: 64}
		m := p.start(t, 1, true)
		m.leads(t, time.Second)
		want, busy := "", false
		for i := range 5_000 {
			switch err := m.Propose(fmt.Append(nil, i)); {
			case err == nil:
				want += fmt.Sprint(i, " ")
			case errors.Is(err, raft.ErrBusy):
				busy = true
			default:
				t.Fatal(err)
			}
		}
		if !busy {
			t.Error("five thousand proposals at once were all taken")
		}
		if err := m.Propose(make([]byte, raft.MaxEntrySize+1)); !errors.Is(err, raft.ErrTooLarge) {
			t.Errorf("a proposal that is too large: %v", err)
		}
		time.Sleep(time.Second)
		if got, _ := m.sm.get(); got != want {
			t.Errorf("applied is not what was taken: %d bytes of %d", len(got), len(want))
		}
		m.stop()
		if err := <-m.done; err != nil {
			t.Error(err)
		}
	})
}
