package reading

import (
	"context"
	"fmt"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/migrate"
)

// Read asks the cluster behind a client, called what in errors.
func Read(ctx context.Context, c *client.Client, what string) (migrate.Swarm, error) {
	var out migrate.Swarm
	info, err := c.Info(ctx, client.InfoOptions{})
	switch {
	case err != nil:
		return out, fmt.Errorf("%s does not answer: %w", what, err)
	case info.Info.Swarm.LocalNodeState != swarm.LocalNodeStateActive:
		return out, fmt.Errorf("%s is in no swarm (%s): name a manager of one, or found one there by docker swarm init", what, info.Info.Swarm.LocalNodeState)
	case !info.Info.Swarm.ControlAvailable:
		return out, fmt.Errorf("%s is a worker, which is told nothing of its swarm: name a manager", what)
	}
	for _, part := range []struct {
		name string
		ask  func() error
	}{
		{"settings", func() error {
			r, err := c.SwarmInspect(ctx, client.SwarmInspectOptions{})
			out.Cluster = r.Swarm.ClusterInfo
			return err
		}},
		{"nodes", func() error { r, err := c.NodeList(ctx, client.NodeListOptions{}); out.Nodes = r.Items; return err }},
		{"configs", func() error {
			r, err := c.ConfigList(ctx, client.ConfigListOptions{})
			out.Configs = r.Items
			return err
		}},
		{"secrets", func() error {
			r, err := c.SecretList(ctx, client.SecretListOptions{})
			out.Secrets = r.Items
			return err
		}},
		{"services", func() error {
			r, err := c.ServiceList(ctx, client.ServiceListOptions{})
			out.Services = r.Items
			return err
		}},
		{"tasks", func() error { r, err := c.TaskList(ctx, client.TaskListOptions{}); out.Tasks = r.Items; return err }},
		{"networks", func() (err error) { out.Networks, err = networks(ctx, c, out.Services); return err }},
		{"images", func() (err error) { out.LocalImages, err = localImages(ctx, c, out.Services); return err }},
	} {
		if err := part.ask(); err != nil {
			return out, fmt.Errorf("%s does not tell its %s: %w", what, part.name, err)
		}
	}
	return out, nil
}

// networks are the cluster's, and those of the engines that services are on: no list has those, only their ids lead to them.
func networks(ctx context.Context, c *client.Client, services []swarm.Service) ([]network.Summary, error) {
	listed, err := c.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, err
	}
	var out []network.Summary
	for _, n := range listed.Items {
		if n.Scope == "swarm" {
			out = append(out, n)
		}
	}
	for _, s := range services {
		for _, a := range s.Spec.TaskTemplate.Networks {
			if slices.ContainsFunc(out, func(n network.Summary) bool { return n.ID == a.Target }) {
				continue
			}
			got, err := c.NetworkInspect(ctx, a.Target, client.NetworkInspectOptions{})
			if errdefs.IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			out = append(out, network.Summary{Network: got.Network.Network})
		}
	}
	return out, nil
}

// localImages are those that the engine has and that came from no registry. It knows nothing of those it has not.
func localImages(ctx context.Context, c *client.Client, services []swarm.Service) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	for _, s := range services {
		if s.Spec.TaskTemplate.ContainerSpec == nil || seen[s.Spec.TaskTemplate.ContainerSpec.Image] {
			continue
		}
		image := s.Spec.TaskTemplate.ContainerSpec.Image
		seen[image] = true
		got, err := c.ImageInspect(ctx, image)
		if err == nil && len(got.RepoDigests) == 0 {
			out = append(out, image)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return out, nil
}
