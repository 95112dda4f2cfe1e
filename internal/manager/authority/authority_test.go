package authority_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/authority"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// state is a manager's store without a log.
type state struct {
	store.Direct
	meanwhile func()  // runs before the next commit, once
	outcome   []error // what the next commits say though they are done
}

func (s *state) Store() *store.Store                       { return s.Direct.Store }
func (s *state) Fresh(context.Context) (store.View, error) { return s.Direct.Store.View(), nil }

func (s *state) Commit(b *store.Batch) *store.Pending {
	if f := s.meanwhile; f != nil {
		s.meanwhile = nil
		f()
	}
	p := s.Direct.Commit(b)
	if len(s.outcome) > 0 {
		p = store.NewPending()
		p.Resolve(0, s.outcome[0])
		s.outcome = s.outcome[1:]
	}
	return p
}

// world is one cluster and the nodes that try to join it.
type world struct {
	t     *testing.T
	clock *env.Manual
	state *state
	auth  *authority.Authority
	other identity.Root
	csrs  map[string][]byte
	names map[string]string // node id → name of its key
	peers map[string]identity.Peer
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, clock: env.NewManual(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)),
		csrs: map[string][]byte{}, names: map[string]string{}, peers: map[string]identity.Peer{}}
	w.state = &state{Direct: store.Direct{Store: store.New(), Now: w.clock.Now}}
	w.signs(nil)
	root, err := identity.NewRoot(rand.Reader, w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	if w.other, err = identity.NewRoot(rand.Reader, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	w.write(store.WriterInit,
		store.Clusters.Put(&model.Cluster{ID: model.NumID(9), Epoch: 3, WorkerToken: identity.Secret([16]byte{1}), ManagerToken: identity.Secret([16]byte{2})}),
		store.Roots.Put(&model.Root{ClusterID: model.NumID(9), Cert: root.Cert, Private: root.Key, Digest: identity.Digest(root.Cert)}),
		store.Members.Put(&model.Member{RaftID: 1, NodeID: model.NumID(1), Addr: "192.0.2.1:2377"}),
		store.Members.Put(&model.Member{RaftID: 2, NodeID: model.NumID(2), Addr: "192.0.2.2:2377"}),
		store.Members.Put(&model.Member{RaftID: 3, NodeID: model.NumID(3), Addr: "192.0.2.3:2377", Learner: true}),
	)
	return w
}

// signs makes the authority, with an external one.
func (w *world) signs(external authority.Signer) {
	w.auth = authority.New(authority.Options{State: w.state, Env: env.Seeded(1, w.clock), Logger: slog.New(slog.DiscardHandler),
		Leader: func() model.ID { return model.NumID(1) }, External: external})
}

func (w *world) write(by store.Writer, changes ...store.Change) {
	w.t.Helper()
	if _, err := w.state.Direct.Commit(&store.Batch{Writer: by, Changes: changes}).Wait(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) editCluster(f func(*model.Cluster)) {
	c := *store.TheCluster(w.state.Store().View())
	f(&c)
	w.write(store.WriterAPI, store.Clusters.Put(&c))
}

func (w *world) csr(key string) []byte {
	if key == "garbage" {
		return []byte("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")
	}
	if w.csrs[key] == nil {
		csr, _, err := identity.NewRequest(rand.Reader)
		if err != nil {
			w.t.Fatal(err)
		}
		w.csrs[key] = csr
	}
	return w.csrs[key]
}

func (w *world) token(kind string) string {
	c := store.TheCluster(w.state.Store().View())
	root := store.Roots.ByID(w.state.Store().View(), c.ID)
	switch kind {
	case "worker":
		return identity.Token(root.Digest, c.WorkerToken)
	case "manager":
		return identity.Token(root.Digest, c.ManagerToken)
	case "wrong":
		return identity.Token(root.Digest, identity.Secret([16]byte{7}))
	case "first-worker":
		return identity.Token(root.Digest, identity.Secret([16]byte{1}))
	case "foreign":
		return identity.Token(identity.Digest(w.other.Cert), c.WorkerToken)
	}
	return kind
}

// TestScripts: join key=K token=KIND [clock=OFFSET] [availability=A] [rotated] [lost], renew key=K new=K2 [shorter],
// rotate, role key=K role=R, remove key=K, rm-spec, advance DURATION, expiry DURATION, allowed key=K role=R, nodes.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.t = t
			return w.plain(w.command(d))
		})
	})
}

func (w *world) arg(d *datadriven.TestData, name, otherwise string) string {
	for _, a := range d.CmdArgs {
		if a.Key == name && len(a.Vals) == 1 {
			return a.Vals[0]
		}
	}
	return otherwise
}

func (w *world) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) command(d *datadriven.TestData) string {
	key := w.arg(d, "key", "")
	switch d.Cmd {
	case "join":
		return w.join(d)
	case "renew":
		return w.renew(key, w.arg(d, "new", key))
	case "rotate":
		w.editCluster(func(c *model.Cluster) { c.WorkerToken = identity.Secret(env.Seeded(5, w.clock).NewID()) })
	case "expiry":
		w.editCluster(func(c *model.Cluster) {
			spec := *c.Spec.Get()
			spec.CAConfig.NodeCertExpiry = w.duration(d.CmdArgs[0].Key)
			c.Spec = model.DocOf(spec)
		})
	case "grant":
		row := *store.NodeIdentities.ByID(w.state.Store().View(), w.peers[key].Node)
		row.Role = role(w.arg(d, "role", ""))
		w.write(store.WriterIdentity, store.NodeIdentities.Put(&row))
	case "remove":
		k := model.KeyOf(w.peers[key].Node)
		w.write(store.WriterAPI, store.NodeSpecs.Delete(k))
		if !d.HasArg("half") {
			w.write(store.WriterIdentity, store.NodeIdentities.Delete(k), store.Revocations.Put(&model.Revocation{NodeID: k.A, Until: 1 << 62}))
		}
	case "advance":
		w.clock.Set(w.clock.Now().Add(w.duration(d.CmdArgs[0].Key)))
	case "allowed":
		return say(w.auth.Allowed(w.peers[key], role(w.arg(d, "role", ""))))
	case "nodes":
		return w.nodes()
	default:
		w.t.Fatalf("unknown command %s", d.Cmd)
	}
	return "ok\n"
}

func role(s string) model.Role {
	if s == "manager" {
		return model.RoleManager
	}
	return model.RoleWorker
}

func say(err error) string {
	switch {
	case err == nil:
		return "ok\n"
	case errors.Is(err, authority.ErrRemoved):
		return "removed: " + err.Error() + "\n"
	case errors.Is(err, authority.ErrRefused):
		return "refused: " + err.Error() + "\n"
	}
	return "not now: " + err.Error() + "\n"
}

func (w *world) join(d *datadriven.TestData) string {
	key := w.arg(d, "key", "")
	req := &wire.JoinRequest{Token: w.token(w.arg(d, "token", "")), Csr: w.csr(key), Availability: w.arg(d, "availability", ""),
		Clock: w.clock.Now().Add(w.duration(w.arg(d, "clock", "0s"))).UnixNano()}
	if d.HasArg("rotated") {
		w.state.meanwhile = func() {
			w.editCluster(func(c *model.Cluster) { c.WorkerToken = identity.Secret([16]byte{42}) })
		}
	}
	if d.HasArg("twice") { // the same join comes in by another manager and is first
		w.state.meanwhile = func() {
			if _, err := w.auth.Join(context.Background(), "192.0.2.7:1", req); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if d.HasArg("lost") {
		w.state.outcome = []error{store.ErrUnknownOutcome}
	}
	reply, err := w.auth.Join(w.t.Context(), "192.0.2.7:1", req)
	if err != nil {
		return say(err)
	}
	root, err := w.auth.Root(w.t.Context())
	if err != nil || string(root.GetRoots()) != string(reply.GetRoots()) {
		w.t.Fatalf("the roots differ (%v)", err)
	}
	id := model.ID(reply.GetNodeId())
	if w.names[id.String()] == "" {
		w.names[id.String()] = "<" + key + ">"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "node %s of cluster %s, epoch %d, manager %v, %s", id, model.ID(reply.GetClusterId()), reply.GetEpoch(), reply.GetManager(), w.certificate(key, reply.GetCert()))
	for _, m := range reply.GetManagers() {
		fmt.Fprintf(&out, "manager %s at %s, leader %v\n", model.ID(m.GetNodeId()), m.GetAddr(), m.GetLeader())
	}
	return out.String()
}

func (w *world) renew(key, next string) string {
	reply, err := w.auth.Renew(w.t.Context(), w.peers[key], &wire.RenewRequest{Csr: w.csr(next)})
	if err != nil {
		return say(err)
	}
	return fmt.Sprintf("manager %v, %s", reply.GetManager(), w.certificate(key, reply.GetCert()))
}

// certificate reads one and remembers it as that of the node named by its first key.
func (w *world) certificate(key string, pem []byte) string {
	cert, err := identity.ParseCert(pem)
	if err != nil {
		w.t.Fatal(err)
	}
	peer, err := identity.PeerOf(cert)
	if err != nil {
		w.t.Fatal(err)
	}
	w.peers[key] = peer
	return fmt.Sprintf("certificate: node %s, cluster %s, %s, until %s\n", peer.Node, peer.Cluster, peer.Role.Swarm(), peer.NotAfter.Format(time.RFC3339))
}

func (w *world) nodes() string {
	var lines []string
	v := w.state.Store().View()
	for n := range store.NodeIdentities.All(v) {
		spec := &swarm.NodeSpec{}
		if s := store.NodeSpecs.ByID(v, n.ID); s != nil {
			spec = s.Spec.Get()
		}
		lines = append(lines, w.plain(fmt.Sprintf("%s: granted %s, asked %q, %q, until %s\n", n.ID, n.Role.Swarm(), spec.Role, spec.Availability, time.Unix(0, n.NotAfter).UTC().Format(time.RFC3339))))
	}
	slices.Sort(lines)
	out := strings.Join(lines, "")
	if len(w.names) != store.NodeIdentities.Len(v)+store.Revocations.Len(v) {
		out += fmt.Sprintf("%d nodes are known to themselves and %d to the cluster\n", len(w.names), store.NodeIdentities.Len(v))
	}
	return out
}

// plain replaces what is drawn at random.
func (w *world) plain(s string) string {
	for id, name := range w.names {
		s = strings.ReplaceAll(s, id, name)
	}
	for n := uint64(1); n < 10; n++ {
		s = strings.ReplaceAll(s, model.NumID(n).String(), fmt.Sprintf("<%d>", n))
	}
	return s
}
