package node

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/vault"
	"github.com/skep-org/skep/internal/wire"
)

// turning is a cluster on its way from one root to the next, as a node's keyring sees it.
type turning struct {
	t          *testing.T
	root       *model.Root
	spec       *model.RootSpec
	ring       *keyring
	asked      int
	fails      int
	changes    int
	vault      *vault.Vault
	old, other identity.Root
}

func turn(t *testing.T) *turning {
	w := &turning{t: t}
	now := time.Now()
	var err error
	w.old, err = identity.NewRoot(rand.Reader, now)
	require.NoError(t, err)
	w.other, err = identity.NewRoot(rand.Reader, now)
	require.NoError(t, err)
	w.root = &model.Root{Cert: w.old.Cert, Private: w.old.Key, Digest: identity.Digest(w.old.Cert)}
	cert, err := identity.Issuing(w.root, nil).Issue(rand.Reader, now, model.NumID(7), model.NumID(9), model.RoleWorker, 90*24*time.Hour)
	require.NoError(t, err)
	w.vault = vault.New(t.TempDir(), rand.Reader)
	require.NoError(t, w.vault.Save(identity.Keys{Cert: cert.Cert, Key: cert.Key, Roots: w.old.Cert}))
	w.ring, err = openKeyring(w.vault, env.Real(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return w
}

func (w *turning) begin() {
	cross, err := w.old.Cross(rand.Reader, w.other.Cert)
	require.NoError(w.t, err)
	w.spec = &model.RootSpec{Cert: w.other.Cert, Private: w.other.Key, Cross: cross, Digest: identity.Digest(w.other.Cert)}
}

func (w *turning) renew(_ context.Context, csr []byte) (*wire.RenewReply, error) {
	if w.asked++; w.asked <= w.fails {
		return nil, errors.New("nobody answers")
	}
	c, err := identity.Issuing(w.root, w.spec).Sign(rand.Reader, time.Now(), csr, model.NumID(7), model.NumID(9), model.RoleWorker, 90*24*time.Hour)
	return &wire.RenewReply{Cert: c.Cert, Roots: w.root.Cert}, err
}

// tell says what a manager says.
func (w *turning) tell() {
	var issuer []byte
	if w.spec != nil {
		by, err := identity.IssuerOf(identity.Issuing(w.root, w.spec).Cert)
		require.NoError(w.t, err)
		issuer = by.Digest()
	}
	w.ring.tell(w.root.Cert, issuer)
	synctest.Wait()
}

func (w *turning) is(issuer, trusts identity.Root) {
	w.t.Helper()
	by, err := w.ring.Keys().Issuer()
	require.NoError(w.t, err)
	want, err := identity.IssuerOf(issuer.Cert)
	require.NoError(w.t, err)
	require.True(w.t, by.Equal(want), "the certificate is of another authority")
	require.Equal(w.t, string(trusts.Cert), string(w.ring.Keys().Roots))
	kept, err := w.vault.Keys()
	require.NoError(w.t, err)
	require.Equal(w.t, string(trusts.Cert), string(kept.Roots), "what is trusted is on disk")
}

// A node renews when it is told of another authority, and trusts the new root when that is the root: not before.
func TestTheKeyringFollowsARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := turn(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.ring.run(ctx, w.renew, func() { w.changes++ }) }()
		w.tell()
		require.Zero(t, w.asked, "what it is told is so already")

		w.begin()
		w.fails = 1
		w.tell()
		w.is(w.old, w.old)
		time.Sleep(renewRetry + time.Second)
		synctest.Wait()
		w.is(w.other, w.old)
		require.Equal(t, 1, w.changes)

		w.root = &model.Root{Cert: w.spec.Cert, Private: w.spec.Private, Digest: w.spec.Digest, Cross: w.spec.Cross}
		w.tell()
		w.is(w.other, w.other)
		require.Equal(t, 2, w.changes)
		require.Equal(t, 2, w.asked, "no further certificate was needed")
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// A node that is told to trust a root its certificate does not lead to gets another certificate first.
func TestTheKeyringDoesNotShutItselfOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := turn(t)
		w.begin()
		w.root, w.spec = &model.Root{Cert: w.spec.Cert, Private: w.spec.Private, Digest: w.spec.Digest, Cross: w.spec.Cross}, nil
		w.ring.told.Store(&following{roots: w.root.Cert})
		due, changed := w.ring.follow()
		require.True(t, due)
		require.False(t, changed)
		w.is(w.old, w.old)
		require.NoError(t, w.ring.renew(t.Context(), w.renew))
		w.is(w.other, w.other)
	})
}
