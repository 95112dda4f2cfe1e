package group_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/swarm"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/group"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/raft/rafttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is managers with raft and a network between them, in one process. What is asked of the nodes is in one store
// that all of them see: how it gets there is not this package's matter.
type cluster struct {
	t     *testing.T
	state *store.Store
	mu    sync.Mutex
	all   map[uint64]*manager
	down  map[uint64]bool
	wg    sync.WaitGroup

	configuredAt uint64 // index of the newest change of members in the state
}

// manager is one of them. It implements group.State, raft.Transport and raft.StateMachine.
type manager struct {
	c       *cluster
	id      uint64
	replica *raft.Replica
	group   *group.Group
	stop    context.CancelFunc
	done    chan struct{}

	mu      sync.Mutex
	members []raft.Member
	changed chan struct{}
	lead    raft.Leadership
}

func newCluster(t *testing.T) *cluster {
	return &cluster{t: t, state: store.New(), all: map[uint64]*manager{}, down: map[uint64]bool{}}
}

// node asks a role of a node and grants it, as the planner does once the group is ready for it.
func (c *cluster) node(id uint64, role swarm.NodeRole) {
	c.mu.Lock()
	defer c.mu.Unlock()
	granted := model.RoleWorker
	if role == swarm.NodeRoleManager || c.all[id] != nil {
		granted = model.RoleManager
	}
	d := store.Direct{Store: c.state, Now: time.Now}
	for _, b := range []store.Batch{
		{Writer: store.WriterAPI, Changes: []store.Change{store.NodeSpecs.Put(&model.NodeSpec{ID: model.NumID(id), Spec: model.DocOf(swarm.NodeSpec{Role: role})})}},
		{Writer: store.WriterIdentity, Changes: []store.Change{store.NodeIdentities.Put(&model.NodeIdentity{ID: model.NumID(id), Role: granted})}},
	} {
		if _, _, err := d.Commit(&b).Result(); err != nil {
			c.t.Fatal(err)
		}
	}
}

// start runs a manager on an empty log; the first one founds the group.
func (c *cluster) start(node, id uint64) *manager {
	log := rafttest.NewLog(raft.Identity{ID: id, Node: model.NumID(node).String()}, time.Millisecond)
	if id == 1 {
		if err := raft.Bootstrap(log, addr(1)); err != nil {
			c.t.Fatal(err)
		}
	}
	m := &manager{c: c, id: id, done: make(chan struct{}), changed: make(chan struct{})}
	var err error
	m.replica, err = raft.OpenReplica(raft.Options{Config: raft.Config{SnapshotEntries: 5, TrailingEntries: 1}, Log: log, StateMachine: m, Transport: m, Env: env.Real()})
	if err != nil {
		c.t.Fatal(err)
	}
	m.group = group.New(group.Options{Replica: m.replica, State: m, Env: env.Real(), Logger: slog.New(slog.DiscardHandler)})
	c.mu.Lock()
	c.all[id] = m
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	var wg sync.WaitGroup
	wg.Go(func() { _ = m.replica.Run(ctx) })
	wg.Go(func() { _ = m.group.Run(ctx) })
	go func() {
		defer close(m.done)
		wg.Wait()
	}()
	return m
}

func (c *cluster) end() {
	for _, m := range c.all {
		m.stop()
		<-m.done
	}
	c.wg.Wait()
}

// fail cuts a manager off.
func (c *cluster) fail(id uint64, down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down[id] = down
}

func addr(id uint64) string { return fmt.Sprintf("192.0.2.%d:2377", id) }

func peer(node uint64) identity.Peer {
	return identity.Peer{Node: model.NumID(node), Role: model.RoleManager}
}

// Fresh implements [group.State].
func (m *manager) Fresh(context.Context) (store.View, error) { return m.c.state.View(), nil }

// Store implements [group.State].
func (m *manager) Store() *store.Store { return m.c.state }

// Send implements [raft.Transport].
func (m *manager) Send(msgs []*pb.Message) {
	for _, msg := range msgs {
		m.c.wg.Go(func() { m.c.carry(proto.Clone(msg).(*pb.Message)) })
	}
}

func (c *cluster) carry(msg *pb.Message) {
	c.mu.Lock()
	from, to := c.all[msg.GetFrom()], c.all[msg.GetTo()]
	lost := to == nil || c.down[msg.GetFrom()] || c.down[msg.GetTo()]
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	switch {
	case msg.GetType() == pb.MsgSnap:
		err := errors.New("lost")
		if !lost {
			var body io.ReadCloser
			if body, err = from.replica.OpenSnapshot(msg); err == nil {
				err = to.replica.StepSnapshot(ctx, msg, body)
			}
		}
		_ = from.replica.SnapshotSent(ctx, msg.GetTo(), err == nil)
	case lost:
		_ = from.replica.Unreachable(ctx, msg.GetTo())
	default:
		to.replica.Step(msg)
	}
}

func (m *manager) Apply([]raft.Entry, uint64) {}

func (m *manager) Configure(index, _ uint64, members []raft.Member) {
	m.c.configured(index, members)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members = members
}

// configured writes the table of members as whoever is first at index sees it.
func (c *cluster) configured(index uint64, members []raft.Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if index <= c.configuredAt {
		return
	}
	c.configuredAt = index
	b := store.Batch{Writer: store.WriterRaft}
	for m := range store.Members.All(c.state.View()) {
		b.Changes = append(b.Changes, store.Members.Delete(m.Key()))
	}
	for _, m := range members {
		node, err := model.ParseID(m.Node)
		if err != nil {
			c.t.Error(err)
		}
		b.Changes = append(b.Changes, store.Members.Put(&model.Member{RaftID: m.ID, NodeID: node, Addr: m.Addr, Learner: m.Learner}))
	}
	if _, _, err := (store.Direct{Store: c.state, Now: time.Now}).Commit(&b).Result(); err != nil {
		c.t.Error(err)
	}
}

func (m *manager) Lead(l raft.Leadership) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lead = l
}

func (m *manager) Snapshot() func(io.Writer) error { return func(io.Writer) error { return nil } }

func (m *manager) Restore(io.Reader, uint64, uint64) error { return nil }

// leader waits for one.
func (c *cluster) leader() *manager {
	c.t.Helper()
	for range 200 {
		for _, m := range c.all {
			if m.replica.Leadership().Leading && !c.down[m.id] {
				return m
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.t.Fatal("nobody leads")
	return nil
}

// show is the group as its leader sees it.
func (c *cluster) show() string {
	c.t.Helper()
	m := c.leader()
	g, err := m.group.Members(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	var out []string
	for _, one := range g {
		s := fmt.Sprint(one.RaftID)
		if one.Learner {
			s += " learns"
		}
		if !one.Active {
			s += " silent"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func (c *cluster) expect(want string) {
	c.t.Helper()
	if got := c.show(); got != want {
		c.t.Fatalf("the group is %q, not %q", got, want)
	}
}

// three makes a group of three managers.
func three(t *testing.T) *cluster {
	c := newCluster(t)
	for id := uint64(1); id <= 3; id++ {
		c.node(id, swarm.NodeRoleManager)
		c.start(id, id)
		if err := c.leader().group.Enter(t.Context(), peer(id), id, addr(id), 0); err != nil {
			t.Fatal(err)
		}
	}
	c.expect("1, 2, 3")
	return c
}

// refused wants an error of a kind.
func refused(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("the answer is %v, not %v", err, want)
	}
}

func TestManagersEnter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		defer c.end()
		one := c.leader()
		if err := one.group.Enter(t.Context(), peer(2), 2, addr(2), 0); err != nil {
			t.Fatalf("entering again: %v", err)
		}
		if err := one.group.Enter(t.Context(), peer(2), 2, "192.0.2.99:2377", 0); err != nil {
			t.Fatalf("at another address: %v", err)
		}
		one.mu.Lock()
		members := one.members
		one.mu.Unlock()
		if m := members[1]; m.Addr != "192.0.2.99:2377" || m.Node != model.NumID(2).String() || len(members) != 3 {
			t.Fatalf("the members are %+v", members)
		}
		for _, err := range []error{
			one.group.Enter(t.Context(), peer(4), 4, addr(4), 0),       // nobody asked it to be a manager
			one.group.Enter(t.Context(), peer(3), 2, addr(3), 0),       // another node's member
			one.group.Enter(t.Context(), peer(3), 0, addr(3), 0),       // no member
			one.group.Enter(t.Context(), peer(3), 3, "192.0.2.3", 0),   // no port
			one.group.Depart(t.Context(), peer(3), 2, true),            // another node's member
			c.all[2].group.Enter(t.Context(), peer(3), 3, addr(33), 0), // asked of a follower
		} {
			if err == nil {
				t.Fatal("taken")
			}
		}
		refused(t, c.all[2].group.Enter(t.Context(), peer(3), 3, addr(33), 0), store.ErrNotLeader)
		c.expect("1, 2, 3")
	})
}

// A member of the group that a cluster had before it was begun anew has a state, and an id that the old group's other
// members still count on: it is not taken under that.
func TestAMemberOfAnotherGroupIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.end()
		c.node(1, swarm.NodeRoleManager)
		c.node(2, swarm.NodeRoleManager)
		one := c.start(1, 1)
		c.leader()
		refused(t, one.group.Enter(t.Context(), peer(2), 2, addr(2), 7), roles.ErrLeftBehind)
		c.expect("1")
		c.start(2, 3)
		for range 2 { // once more when it has the state
			if err := one.group.Enter(t.Context(), peer(2), 3, addr(3), 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := one.group.Enter(t.Context(), peer(2), 3, addr(3), 7); err != nil {
			t.Fatal(err)
		}
		c.expect("1, 3")
	})
}

// A manager that does not answer is a learner for as long as that lasts, and nobody's quorum depends on it.
func TestALearnerVotesWhenItHasCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.end()
		c.node(1, swarm.NodeRoleManager)
		c.node(2, swarm.NodeRoleManager)
		one := c.start(1, 1)
		c.leader()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		refused(t, one.group.Enter(ctx, peer(2), 2, addr(2), 0), context.DeadlineExceeded)
		c.expect("1, 2 learns silent")
		c.start(2, 2)
		if err := one.group.Enter(t.Context(), peer(2), 2, addr(2), 0); err != nil {
			t.Fatal(err)
		}
		c.expect("1, 2")
	})
}

// A manager that comes back with an empty log is another member, and its old one goes.
func TestANewLogIsANewMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		defer c.end()
		c.all[3].stop()
		<-c.all[3].done
		c.fail(3, true)
		time.Sleep(5 * time.Second)
		c.expect("1, 2, 3 silent")
		c.start(3, 33)
		if err := c.leader().group.Enter(t.Context(), peer(3), 33, addr(3), 0); err != nil {
			t.Fatal(err)
		}
		c.expect("1, 2, 33")
	})
}

func TestManagersDepart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		defer c.end()
		one := c.leader()
		c.fail(3, true)
		time.Sleep(5 * time.Second)
		c.expect("1, 2, 3 silent")
		refused(t, one.group.Depart(t.Context(), peer(2), 2, false), roles.ErrQuorum)
		if err := one.group.Depart(t.Context(), peer(3), 3, false); err != nil {
			t.Fatalf("the silent one may go: %v", err)
		}
		if err := one.group.Depart(t.Context(), peer(3), 3, false); err != nil {
			t.Fatalf("a second time: %v", err)
		}
		c.expect("1, 2")
		// The leader itself: it hands leadership over, and departs at the new leader.
		refused(t, one.group.Depart(t.Context(), peer(1), 1, false), store.ErrNotLeader)
		two := c.leader()
		if two.id != 2 {
			t.Fatalf("member %d leads", two.id)
		}
		if err := two.group.Depart(t.Context(), peer(1), 1, false); err != nil {
			t.Fatal(err)
		}
		c.expect("2")
		refused(t, two.group.Depart(t.Context(), peer(2), 2, true), roles.ErrLastManager)
	})
}

// Forced, a member departs though the rest cannot go on without the one that does not answer.
func TestAForcedDepartureLosesTheQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		defer c.end()
		c.fail(3, true)
		time.Sleep(5 * time.Second)
		if err := c.leader().group.Depart(t.Context(), peer(2), 2, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if l := c.all[1].replica.Leadership(); l.Leading {
			t.Fatal("one of two leads")
		}
		c.fail(3, false)
		c.expect("1, 3")
	})
}

// Demotions are carried out by whoever leads, the leader's own too, and only while a majority of the rest answers.
func TestDemotedManagersAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		defer c.end()
		c.fail(2, true)
		time.Sleep(5 * time.Second)
		c.node(3, swarm.NodeRoleWorker)
		time.Sleep(5 * time.Second)
		c.expect("1, 2 silent, 3")
		c.fail(2, false)
		time.Sleep(5 * time.Second)
		c.expect("1, 2")
		c.node(1, swarm.NodeRoleWorker)
		time.Sleep(10 * time.Second)
		c.expect("2")
		if got := c.leader().id; got != 2 {
			t.Fatalf("member %d leads", got)
		}
	})
}

// Two departures at the same time, each harmless alone, do not lose the quorum together.
func TestDeparturesAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		defer c.end()
		c.node(4, swarm.NodeRoleManager)
		c.start(4, 4)
		if err := c.leader().group.Enter(t.Context(), peer(4), 4, addr(4), 0); err != nil {
			t.Fatal(err)
		}
		c.fail(4, true)
		time.Sleep(5 * time.Second)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		one := c.leader()
		for _, id := range []uint64{2, 3} {
			wg.Go(func() { errs[id] = one.group.Depart(t.Context(), peer(id), id, false) })
		}
		wg.Wait()
		if (errs[2] == nil) == (errs[3] == nil) {
			t.Fatalf("the answers are %v and %v", errs[2], errs[3])
		}
		refused(t, errors.Join(errs...), roles.ErrQuorum)
	})
}
