package authority_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/authority"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// faulty is a state whose commits are lost, or done without word of it, and before which others are busy.
type faulty struct {
	state
	t       *rapid.T
	busy    func()
	allGood bool
}

func (f *faulty) Commit(b *store.Batch) *store.Pending {
	if f.allGood {
		return f.Direct.Commit(b)
	}
	if rapid.Bool().Draw(f.t, "busy") {
		f.busy()
	}
	fault := rapid.SampledFrom([]string{"", "", "lost", "unknown", "unknown but done"}).Draw(f.t, "fault")
	p := store.NewPending()
	switch fault {
	case "":
		return f.Direct.Commit(b)
	case "lost":
		p.Resolve(0, store.ErrNotLeader)
	case "unknown but done":
		f.Direct.Commit(b)
		fallthrough
	default:
		p.Resolve(0, store.ErrUnknownOutcome)
	}
	return p
}

// TestJoinsLeaveNoHalves: nodes join with their keys, again and again, while tokens are rotated and commits fail. Each
// key is at most one node, each node has both its rows, a token that was rotated away before the call began makes no
// node, and once the faults end everybody who still has a good token is in, as the node it was told before, if any.
func TestJoinsLeaveNoHalves(t *testing.T) {
	var csrs [][]byte
	for range 4 {
		csr, _, err := identity.NewRequest(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		csrs = append(csrs, csr)
	}
	root, err := identity.NewRoot(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		clock := env.NewManual(time.Now())
		f := &faulty{state: state{Direct: store.Direct{Store: store.New(), Now: clock.Now}}, t: t}
		auth := authority.New(authority.Options{State: f, Env: env.Seeded(1, clock), Logger: slog.New(slog.DiscardHandler)})
		write := func(w store.Writer, changes ...store.Change) {
			if _, _, err := f.Direct.Commit(&store.Batch{Writer: w, Changes: changes}).Result(); err != nil {
				t.Fatal(err)
			}
		}
		drawn := byte(0)
		secret := func() string { drawn++; return identity.Secret([16]byte{drawn}) }
		write(store.WriterInit, store.Clusters.Put(&model.Cluster{ID: model.NumID(9), WorkerToken: secret(), ManagerToken: secret()}),
			store.Roots.Put(&model.Root{ClusterID: model.NumID(9), Cert: root.Cert, Private: root.Key, Digest: identity.Digest(root.Cert)}))
		rotate := func() {
			c := *store.TheCluster(f.Store().View())
			c.WorkerToken = secret()
			write(store.WriterAPI, store.Clusters.Put(&c))
		}
		f.busy = func() {
			if drawn < 100 {
				rotate()
			}
		}
		told := map[int]model.ID{}
		join := func(i int, token string) error {
			before := store.NodeIdentities.Len(f.Store().View())
			stale := token != store.TheCluster(f.Store().View()).WorkerToken
			reply, err := auth.Join(context.Background(), "192.0.2.1:1", &wire.JoinRequest{
				Token: identity.Token(identity.Digest(root.Cert), token), Csr: csrs[i], Clock: clock.Now().UnixNano()})
			if err == nil {
				id := model.ID(reply.GetNodeId())
				if old, ok := told[i]; ok && old != id {
					t.Fatalf("key %d was told that it is node %s, then %s", i, old, id)
				}
				told[i] = id
			}
			if stale && store.NodeIdentities.Len(f.Store().View()) != before {
				t.Fatal("an old token made a node")
			}
			return err
		}
		token := store.TheCluster(f.Store().View()).WorkerToken
		for range rapid.IntRange(1, 12).Draw(t, "joins") {
			if rapid.Bool().Draw(t, "learn the token") {
				token = store.TheCluster(f.Store().View()).WorkerToken
			}
			if err := join(rapid.IntRange(0, len(csrs)-1).Draw(t, "key"), token); errors.Is(err, authority.ErrRefused) && token == store.TheCluster(f.Store().View()).WorkerToken {
				t.Fatalf("a good token was refused: %v", err)
			}
		}
		f.allGood = true
		for i := range csrs {
			if err := join(i, store.TheCluster(f.Store().View()).WorkerToken); err != nil {
				t.Fatalf("key %d cannot join: %v", i, err)
			}
		}
		v := f.Store().View()
		for n := range store.NodeIdentities.All(v) {
			if store.NodeSpecs.ByID(v, n.ID) == nil {
				t.Fatalf("node %s has no spec", n.ID)
			}
		}
		if n := store.NodeIdentities.Len(v); n != len(csrs) || store.NodeSpecs.Len(v) != n {
			t.Fatalf("%d keys are %d identities and %d specs", len(csrs), n, store.NodeSpecs.Len(v))
		}
	})
}
