package node

import (
	"context"
	"fmt"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/manager/rotation"
	"github.com/skep-org/skep/internal/node/cfssl"
)

var _ rotation.Outside = (*cluster)(nil)

// authorities calls external certificate authorities as this node.
func (m *member) authorities() cfssl.Client {
	return cfssl.Client{Keys: m.keys.Keys, Now: m.env.Now}
}

// Reach implements [rotation.Outside].
func (c *cluster) Reach(ctx context.Context, url string, roots []byte) error {
	m := c.current()
	if m == nil {
		return errNoMember
	}
	err := m.authorities().Reach(ctx, url, roots)
	if err != nil {
		c.logger.Warn("an external certificate authority is not reached, or is not of the root it is named for", "url", url, "err", err)
	}
	return err
}

// Sign implements [rotation.Outside].
func (c *cluster) Sign(ctx context.Context, urls []string, cert identity.External) ([]byte, error) {
	m := c.current()
	if m == nil {
		return nil, errNoMember
	}
	signed, err := m.authorities().Sign(ctx, urls, cert)
	if err != nil {
		return nil, fmt.Errorf("certify the new root: %w", err)
	}
	return signed, nil
}
