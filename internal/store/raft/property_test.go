package raft_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/cryptotest"

	"pgregory.net/rapid"

	"github.com/skep-org/skep/internal/store/raft"
)

// Whatever is proposed, lost, cut off, crashed and restarted: all members apply one history (checked by the recorder at
// each step), nothing that a leader applied is ever missing, and when the trouble ends the group works again.
func TestRandomTrouble(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cryptotest.SetGlobalRandom(t, rapid.Uint64().Draw(rt, "seed"))
		c := newCluster(raft.Config{
			SnapshotEntries: rapid.Uint64Range(3, 40).Draw(rt, "snapshot"), TrailingEntries: rapid.Uint64Range(1, 10).Draw(rt, "trailing"),
		})
		tr := &trouble{c: c, rt: rt}
		tr.found()
		for range rapid.IntRange(50, 300).Draw(rt, "steps") {
			tr.step()
		}
		tr.recover()
	})
}

// A seed decides everything that happens, so that a simulator can repeat it.
func TestSeedDecides(t *testing.T) {
	story := rapid.Custom(func(rt *rapid.T) string {
		c := newCluster(raft.Config{SnapshotEntries: 10, TrailingEntries: 3})
		tr := &trouble{c: c, rt: rt}
		tr.found()
		for range 150 {
			tr.step()
		}
		tr.recover()
		return c.trace.String()
	})
	told := map[string]bool{}
	for seed := range 10 {
		cryptotest.SetGlobalRandom(t, uint64(seed))
		first := story.Example(seed)
		cryptotest.SetGlobalRandom(t, uint64(seed))
		if second := story.Example(seed); first != second {
			t.Fatalf("seed %d told two stories:\n%s\nand\n%s", seed, first, second)
		}
		told[first] = true
	}
	if len(told) < 5 {
		t.Errorf("ten seeds told only %d stories", len(told))
	}
}

type trouble struct {
	c        *cluster
	rt       *rapid.T
	proposed int
	tokens   uint64
}

func (t *trouble) must(err error) {
	if err != nil {
		t.rt.Fatalf("%v\n%s", err, t.c.trace.String())
	}
}

// found starts a group of three.
func (t *trouble) found() {
	one := t.c.add(1)
	t.must(raft.Bootstrap(one.log, "addr1"))
	t.must(one.start())
	t.must(t.c.stabilize())
	for id := uint64(2); id <= 3; id++ {
		n := t.c.add(id)
		t.must(n.start())
		t.must(one.m.ProposeChange(raft.Change{Voters: []raft.Member{n.member()}}))
		t.must(t.c.stabilize())
	}
}

func (t *trouble) draw(n int, label string) int { return rapid.IntRange(0, n-1).Draw(t.rt, label) }

func (t *trouble) step() {
	n := t.c.nodes[t.c.ids()[t.draw(len(t.c.nodes), "member")]]
	switch action := t.draw(24, "action"); {
	case action < 6:
		for range t.draw(12, "deliveries") {
			if len(t.c.network) > 0 {
				t.must(t.c.deliver(t.draw(len(t.c.network), "message")))
			}
		}
	case action < 8:
		if len(t.c.network) > 0 {
			t.must(t.c.take(t.draw(len(t.c.network), "lost message"), true))
		}
	case action == 8:
		other := t.c.nodes[t.c.ids()[t.draw(len(t.c.nodes), "other")]]
		t.c.cut[[2]uint64{n.id, other.id}] = rapid.Bool().Draw(t.rt, "cut")
	case action < 12:
		t.spell(t.draw(40, "spell"))
	case n.m == nil:
		if action < 18 {
			t.must(n.start())
		}
	case action < 15:
		if l := t.c.leader(); l != nil && rapid.Bool().Draw(t.rt, "to the leader") {
			n = l
		}
		t.propose(n)
	case action < 18:
		for range t.draw(25, "ticks") {
			n.m.Tick()
		}
	case action < 20:
		t.must(n.finishWrite())
	case action == 20:
		t.must(n.finishJob())
	case action == 21:
		t.must(n.crash(t.draw(5, "lost entries")))
		return
	default:
		t.other(n)
	}
	t.must(n.advance())
}

// spell lets time pass for all that are up, over the network as it is.
func (t *trouble) spell(ticks int) {
	for range ticks {
		for _, id := range t.c.ids() {
			if n := t.c.nodes[id]; n.m != nil {
				n.m.Tick()
			}
		}
		t.must(t.c.stabilize())
	}
}

func (t *trouble) propose(n *node) {
	for range t.draw(8, "proposals") {
		t.proposed++
		if err := n.m.Propose(fmt.Appendf(nil, "p%d", t.proposed)); err != nil && !errors.Is(err, raft.ErrNotLeader) {
			t.rt.Fatal(err)
		}
	}
}

func (t *trouble) other(n *node) {
	switch t.draw(4, "other") {
	case 0:
		_ = n.m.Transfer(0) // refused more often than not
	case 1:
		t.tokens++
		n.read(t.tokens)
	case 2: // members change
		id := uint64(t.draw(5, "member") + 1)
		change := raft.Change{Voters: []raft.Member{(&node{id: id}).member()}}
		switch t.draw(3, "kind") {
		case 0:
			change = raft.Change{Learners: change.Voters}
		case 1:
			change = raft.Change{Remove: []uint64{id}}
		}
		if n.m.ProposeChange(change) == nil && t.c.nodes[id] == nil {
			t.must(t.c.add(id).start())
		}
	case 3:
		_ = n.m.Campaign()
	}
}

// recover ends all trouble. Then there is one leader, it takes a proposal, and every member of the group has it and all
// that came before.
func (t *trouble) recover() {
	clear(t.c.cut)
	for _, id := range t.c.ids() {
		if n := t.c.nodes[id]; n.m == nil {
			t.must(n.start())
		}
	}
	want := fmt.Sprintf("last%d", t.proposed)
	for round := 0; ; round++ {
		t.must(t.c.stabilize())
		if t.settled(want) {
			break
		}
		if round == 600 {
			for _, id := range t.c.ids() {
				t.c.status(t.c.nodes[id].m.Status())
			}
			t.rt.Fatalf("no progress a minute after all trouble ended\n%s", t.c.trace.String())
		}
		for _, id := range t.c.ids() {
			t.c.nodes[id].m.Tick()
		}
		if l := t.c.leader(); l != nil && !t.has(l, want) {
			if err := l.m.Propose([]byte(want)); err != nil && !errors.Is(err, raft.ErrNotLeader) {
				t.rt.Fatal(err)
			}
		}
	}
	for _, member := range t.c.leader().m.Status().Members {
		n := t.c.nodes[member.ID]
		for index, data := range t.c.history {
			if n.sm.data[index] != data {
				t.rt.Fatalf("member %d misses entry %d (%s), which was applied\n%s", n.id, index, data, t.c.trace.String())
			}
		}
	}
}

func (t *trouble) has(n *node, want string) bool {
	for _, data := range n.sm.data {
		if data == want {
			return true
		}
	}
	return false
}

func (t *trouble) settled(want string) bool {
	l := t.c.leader()
	if l == nil || !t.has(l, want) {
		return false
	}
	for _, member := range l.m.Status().Members {
		if n := t.c.nodes[member.ID]; !t.has(n, want) || n.sm.applied != l.sm.applied {
			return false
		}
	}
	return true
}
