package authority_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// turn begins a rotation to another root.
func (w *world) turn(next identity.Root) {
	root := store.TheRoot(w.state.Store().View())
	cross, err := identity.Root{Cert: root.Cert, Key: root.Private}.Cross(rand.Reader, next.Cert)
	require.NoError(w.t, err)
	w.write(store.WriterAPI, store.RootSpecs.Put(&model.RootSpec{ClusterID: root.ClusterID, Cert: next.Cert, Private: next.Key, Cross: cross,
		Digest: identity.Digest(next.Cert), WorkerToken: identity.Secret([16]byte{31}), ManagerToken: identity.Secret([16]byte{32})}))
}

func (w *world) mustJoin(key string) identity.Keys {
	reply, err := w.auth.Join(w.t.Context(), "192.0.2.7:1", &wire.JoinRequest{Token: w.token("worker"), Csr: w.csr(key), Clock: w.clock.Now().UnixNano()})
	require.NoError(w.t, err)
	w.certificate(key, reply.GetCert())
	return identity.Keys{Cert: reply.GetCert(), Roots: reply.GetRoots()}
}

// During a rotation the new root signs, and who trusts the old one believes it; afterwards the tokens are others.
func TestTheNextRootSignsWhileTheOldOneIsTrusted(t *testing.T) {
	w := newWorld(t)
	old := store.TheRoot(w.state.Store().View())
	before := w.token("worker")
	w.turn(w.other)
	keys := w.mustJoin("a")
	require.Equal(t, string(old.Cert), string(keys.Roots))
	by, err := keys.Issuer()
	require.NoError(t, err)
	next, err := identity.IssuerOf(w.other.Cert)
	require.NoError(t, err)
	require.True(t, by.Equal(next))

	spec := store.TheRootSpec(w.state.Store().View())
	w.write(store.WriterIdentity, store.Roots.Put(&model.Root{ClusterID: spec.ClusterID, Cert: spec.Cert, Private: spec.Private, Digest: spec.Digest, Cross: spec.Cross}))
	_, err = w.auth.Join(t.Context(), "192.0.2.7:1", &wire.JoinRequest{Token: before, Csr: w.csr("b"), Clock: w.clock.Now().UnixNano()})
	require.ErrorContains(t, err, "from before this cluster's root certificate was replaced")
	_, err = w.auth.Join(t.Context(), "192.0.2.7:1", &wire.JoinRequest{Token: identity.Token(spec.Digest, identity.Secret([16]byte{31})), Csr: w.csr("b"), Clock: w.clock.Now().UnixNano()})
	require.NoError(t, err)
	require.True(t, keys.Trusts(spec.Cert), "who joined meanwhile is believed afterwards")
}

// A certificate that the old root signed while a rotation began is not given out.
func TestACertificateOfYesterdaysAuthorityIsMadeAnew(t *testing.T) {
	w := newWorld(t)
	w.mustJoin("a")
	w.state.meanwhile = func() { w.turn(w.other) }
	reply, err := w.auth.Renew(t.Context(), w.peers["a"], &wire.RenewRequest{Csr: w.csr("a2")})
	require.NoError(t, err)
	by, err := identity.Keys{Cert: reply.GetCert(), Roots: reply.GetRoots()}.Issuer()
	require.NoError(t, err)
	next, err := identity.IssuerOf(w.other.Cert)
	require.NoError(t, err)
	require.True(t, by.Equal(next))
}

// elsewhere plays an external authority.
type elsewhere struct {
	root identity.Root
	now  func() time.Time
	asks int
	err  error
}

func (e *elsewhere) Sign(_ context.Context, _ []string, ask identity.External) ([]byte, error) {
	e.asks++
	if e.err != nil {
		return nil, e.err
	}
	node, err := model.ParseID(ask.CN)
	if err != nil {
		return nil, err
	}
	c, err := e.root.Sign(rand.Reader, e.now(), ask.CSR, model.NumID(9), node, model.RoleWorker, time.Hour)
	return c.Cert, err
}

func TestAnExternalAuthoritySigns(t *testing.T) {
	w := newWorld(t)
	root := store.TheRoot(w.state.Store().View())
	ext := &elsewhere{root: identity.Root{Cert: root.Cert, Key: root.Private}, now: w.clock.Now}
	w.signs(ext)
	w.mustJoin("a")
	require.Zero(t, ext.asks, "none is named")

	w.editCluster(func(c *model.Cluster) {
		spec := *c.Spec.Get()
		spec.CAConfig.ExternalCAs = []*swarm.ExternalCA{{Protocol: swarm.ExternalCAProtocolCFSSL, URL: "https://ca.example/sign"}}
		c.Spec = model.DocOf(spec)
	})
	w.write(store.WriterIdentity, store.Roots.Put(&model.Root{ClusterID: root.ClusterID, Cert: root.Cert, Digest: root.Digest})) // the key is elsewhere
	w.mustJoin("b")
	require.Equal(t, 1, ext.asks)

	ext.err = errors.New("the disk is full")
	_, err := w.auth.Renew(t.Context(), w.peers["b"], &wire.RenewRequest{Csr: w.csr("b2")})
	require.ErrorContains(t, err, "the disk is full")
	ext.err, ext.root = nil, w.other
	_, err = w.auth.Renew(t.Context(), w.peers["b"], &wire.RenewRequest{Csr: w.csr("b2")})
	require.ErrorIs(t, err, identity.ErrUntrusted)

	w.signs(nil)
	_, err = w.auth.Renew(t.Context(), w.peers["b"], &wire.RenewRequest{Csr: w.csr("b2")})
	require.ErrorIs(t, err, identity.ErrNoKey)
}
