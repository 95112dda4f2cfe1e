package stackcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/cli/clusterapi"
	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/model/privilege"
	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/plan"
	"github.com/skep-org/skep/internal/stack/revision"
)

// current asks the cluster what it has.
func (d *deployment) current(ctx context.Context, s *stack.Stack) (plan.Current, error) {
	var now plan.Current
	services, err := d.client.ServiceList(ctx, client.ServiceListOptions{})
	if err != nil {
		return now, fmt.Errorf("the cluster at %s does not list its services: %w", d.host, err)
	}
	networks, err := d.client.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return now, fmt.Errorf("the cluster at %s does not list its networks: %w", d.host, err)
	}
	secrets, err := d.client.SecretList(ctx, client.SecretListOptions{})
	if err != nil {
		return now, fmt.Errorf("the cluster at %s does not list its secrets: %w", d.host, err)
	}
	configs, err := d.client.ConfigList(ctx, client.ConfigListOptions{})
	if err != nil {
		return now, fmt.Errorf("the cluster at %s does not list its configs: %w", d.host, err)
	}
	now = plan.Current{Services: services.Items, Networks: networks.Items, Secrets: secrets.Items, Configs: configs.Items}
	d.revisions = revision.Of(s.Name, configs.Items)
	now.Kept = revision.Kept(d.revisions)
	if now.SameSecret, err = d.sameSecrets(ctx, s, now.Secrets); err != nil {
		return now, err
	}
	now.Policy, err = d.policy(ctx, s)
	return now, err
}

// sameSecrets finds out whether secrets that are called by a name without a digest have the content asked for.
func (d *deployment) sameSecrets(ctx context.Context, s *stack.Stack, there []swarm.Secret) (map[string]bool, error) {
	same := map[string]bool{}
	for _, one := range s.Secrets {
		if one.External || one.Recorded || one.Spec.Driver != nil || one.Versioned() && plan.Secret(there, one.Name) != nil {
			continue
		}
		old := plan.Secret(there, one.Plain)
		if old == nil || old.Spec.Labels[stack.LabelNamespace] != s.Name {
			continue
		}
		is, err := clusterapi.SameSecret(ctx, d.client, *old, one.Spec)
		if err != nil {
			return nil, err
		}
		same[old.ID] = is
	}
	return same, nil
}

// policy is the cluster's, where some service asks for something it is about, and this is a node of the cluster.
func (d *deployment) policy(ctx context.Context, s *stack.Stack) (privilege.Policy, error) {
	asks := false
	for _, spec := range s.Services {
		settings, err := privilege.Parse(spec.Labels)
		asks = asks || err != nil || settings.Any()
	}
	if !asks || !strings.HasPrefix(d.host, "unix://") {
		return nil, nil //nolint:nilnil // no policy is one that is not known
	}
	daemon, err := local.New(d.host)
	if err != nil {
		return nil, err
	}
	body, err := daemon.Call(ctx, http.MethodGet, "/skep/policy", nil, "skep policy")
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // a daemon that has none to show refuses by itself
	}
	defer body.Close()
	var rules []api.PolicyRule
	if err := json.NewDecoder(body).Decode(&rules); err != nil {
		return nil, fmt.Errorf("the daemon's policy cannot be read: %w", err)
	}
	policy := privilege.Policy{}
	for _, r := range rules {
		policy[r.Privilege] = r.Services
	}
	return policy, nil
}
