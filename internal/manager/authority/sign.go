package authority

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// sign makes the certificate: at an external authority where one is named for the root that signs now, as in swarm,
// else here.
func (a *Authority) sign(ctx context.Context, v store.View, row *model.NodeIdentity, csr []byte, now time.Time) (identity.NodeCert, error) {
	c, root, spec := store.TheCluster(v), store.TheRoot(v), store.TheRootSpec(v)
	by := identity.Issuing(root, spec)
	config := c.Spec.Get().CAConfig
	if urls := identity.URLs(config.ExternalCAs, by.Cert, root.Cert); len(urls) > 0 && a.opt.External != nil {
		return a.signElsewhere(ctx, urls, by, c.ID, row, csr)
	}
	lifetime := config.NodeCertExpiry
	if lifetime <= 0 {
		lifetime = defaultExpiry
	}
	return by.Sign(a.opt.Env.Rand, now, csr, c.ID, row.ID, row.Role, lifetime)
}

// signElsewhere believes of an external authority's answer only what was asked for.
func (a *Authority) signElsewhere(ctx context.Context, urls []string, by identity.Authority, cluster model.ID, row *model.NodeIdentity, csr []byte) (identity.NodeCert, error) {
	ask := identity.ForNode(csr, cluster, row.ID, row.Role)
	ask.TrustedServer = slices.Concat(by.Cert, by.Trusted)
	certs, err := a.opt.External.Sign(ctx, urls, ask)
	if err != nil {
		return identity.NodeCert{}, err
	}
	cert, err := identity.CheckIssued(slices.Concat(certs, by.Chain), csr, by.Trusted, cluster, row.ID, row.Role)
	if err != nil {
		return identity.NodeCert{}, fmt.Errorf("the external certificate authority's answer is of no use: %w", err)
	}
	return cert, nil
}

// sameAuthority are the conditions that a certificate is of the authority that signs when it is written down. One that
// signed a moment before might be trusted by nobody soon.
func sameAuthority(v store.View) []store.Condition {
	root, spec := store.TheRoot(v), store.TheRootSpec(v)
	wanted := store.RootSpecs.Absent(root.Key())
	if spec != nil {
		wanted = store.RootSpecs.At(spec)
	}
	return []store.Condition{store.Roots.At(root), wanted}
}
