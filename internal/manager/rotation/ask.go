package rotation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
)

// Outside is what asking for another root needs of the world outside.
type Outside interface {
	// Reach fails unless an authority answers at the URL with a certificate of one of the roots.
	Reach(ctx context.Context, url string, roots []byte) error
	// Sign has one of the external authorities sign.
	Sign(ctx context.Context, urls []string, cert identity.External) ([]byte, error)
}

// Ask is an update of the cluster's settings as far as its certificate authority is concerned.
type Ask struct {
	Root    *model.Root
	Spec    *model.RootSpec // nil: another root was never asked for
	Force   uint64          // the ForceRotate counter that the last rotation answered
	Config  swarm.CAConfig  // as it is to be
	Now     time.Time
	Rand    io.Reader
	Secret  func() string // of a join token
	Outside Outside
}

// ErrInternal marks what failed here, and not for what was asked.
var ErrInternal = identity.ErrNoCross

// Decide returns the root the cluster is to have from now on, or nil when that does not change. What it refuses it
// refuses in swarm's words.
func (a *Ask) Decide(ctx context.Context) (*model.RootSpec, error) {
	cert, key := identity.Normalize([]byte(a.Config.SigningCACert)), []byte(a.Config.SigningCAKey)
	if len(cert) == 0 && len(key) > 0 {
		return nil, errors.New("if a signing CA key is provided, the signing CA cert must also be provided")
	}
	if len(a.Root.Private) == 0 {
		if err := a.reachable(ctx, a.Root.Cert, "current"); err != nil {
			return nil, err
		}
	}
	if len(cert) == 0 {
		return a.own(ctx)
	}
	given, err := identity.Given(cert, key, a.Now)
	if err != nil {
		return nil, err
	}
	if len(key) == 0 {
		if err := a.reachable(ctx, cert, "desired"); err != nil {
			return nil, err
		}
	}
	return a.given(ctx, given)
}

// own is an update that names no certificate: nothing changes, or a new root is to be made.
func (a *Ask) own(ctx context.Context) (*model.RootSpec, error) {
	if a.Config.ForceRotate != a.Force {
		root, err := identity.NewRoot(a.Rand, a.Now)
		if err != nil {
			return nil, err
		}
		return a.begin(ctx, root)
	}
	if identity.Rotating(a.Root, a.Spec) && len(a.Spec.Private) == 0 {
		return nil, a.reachable(ctx, a.Spec.Cert, "next")
	}
	return nil, nil
}

// given is an update that names a certificate.
func (a *Ask) given(ctx context.Context, root identity.Root) (*model.RootSpec, error) {
	switch {
	case bytes.Equal(identity.Normalize(a.Root.Cert), root.Cert):
		// It is the present one: a rotation under way is given up, and only who has the key may have changed.
		next := &model.RootSpec{ClusterID: a.Root.ClusterID, Cert: a.Root.Cert, Private: root.Key, Cross: a.Root.Cross, Digest: a.Root.Digest}
		if a.Spec != nil && !identity.Rotating(a.Root, a.Spec) {
			next.WorkerToken, next.ManagerToken = a.Spec.WorkerToken, a.Spec.ManagerToken
		}
		return next, nil
	case identity.Rotating(a.Root, a.Spec) && bytes.Equal(a.Spec.Cert, root.Cert):
		next := *a.Spec
		next.Private = root.Key
		return &next, nil
	}
	return a.begin(ctx, root)
}

// begin has a root certified by the one that the nodes trust.
func (a *Ask) begin(ctx context.Context, root identity.Root) (*model.RootSpec, error) {
	cross, err := a.cross(ctx, root)
	if err != nil {
		return nil, err
	}
	return &model.RootSpec{
		ClusterID: a.Root.ClusterID, Cert: root.Cert, Private: root.Key, Cross: cross, Digest: identity.Digest(root.Cert),
		WorkerToken: a.Secret(), ManagerToken: a.Secret(),
	}, nil
}

func (a *Ask) cross(ctx context.Context, root identity.Root) ([]byte, error) {
	switch {
	case len(a.Root.Private) > 0:
		return identity.Root{Cert: a.Root.Cert, Key: a.Root.Private}.Cross(a.Rand, root.Cert)
	case len(root.Key) == 0:
		return nil, errors.New("rotating from one external CA to a different external CA is not supported")
	}
	csr, err := root.CrossRequest(a.Rand)
	if err != nil {
		return nil, err
	}
	ask, err := identity.ForRoot(csr, root)
	if err != nil {
		return nil, err
	}
	ask.TrustedServer = a.Root.Cert
	cross, err := a.Outside.Sign(ctx, a.urls(a.Root.Cert), ask)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", identity.ErrNoCross, err)
	}
	return identity.Normalize(cross), root.CheckCross(cross, a.Root.Cert)
}

func (a *Ask) urls(cert []byte) []string {
	return identity.URLs(a.Config.ExternalCAs, cert, a.Root.Cert)
}

// reachable: where the managers do not have a root's key, somebody must be there who has it.
func (a *Ask) reachable(ctx context.Context, cert []byte, which string) error {
	for _, url := range a.urls(cert) {
		if a.Outside != nil && a.Outside.Reach(ctx, url, cert) == nil {
			return nil
		}
	}
	return errors.New("there must be at least one valid, reachable external CA corresponding to the " + which + " CA certificate")
}
