package clusterapi

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// SameSecret finds out whether a secret has the content of a spec. The cluster shows nobody a secret. But an update to
// another content is refused for that, before it is refused for being of no version there is: which of the two is heard
// tells, and nothing is written.
func SameSecret(ctx context.Context, c *client.Client, there swarm.Secret, asked swarm.SecretSpec) (bool, error) {
	spec := there.Spec
	spec.Data, spec.Templating = asked.Data, asked.Templating
	_, err := c.SecretUpdate(ctx, there.ID, client.SecretUpdateOptions{Version: swarm.Version{}, Spec: spec})
	switch {
	case err == nil, strings.Contains(err.Error(), "update out of sequence"):
		return true, nil
	case strings.Contains(err.Error(), "only updates to Labels are allowed"):
		return false, nil
	}
	return false, fmt.Errorf("the content of secret %s cannot be compared: %w", there.Spec.Name, err)
}
