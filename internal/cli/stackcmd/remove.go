package stackcmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/clusterapi"
	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/revision"
)

// removal is one run of skep stack rm.
type removal struct {
	host    string
	timeout time.Duration
	cmd     *cobra.Command
	client  *client.Client
	clock   clock
}

func removeCommand(c clock) *cobra.Command {
	r := &removal{clock: c}
	cmd := &cobra.Command{
		Use:   "rm STACK...",
		Short: "Remove stacks: services, secrets, configs and networks",
		Long: `Remove stacks: their services, secrets, configs, networks and revisions. Volumes
stay, with what is in them. A network is removed when the last container has
left it, which this waits for.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return connected(r.host, func(c *client.Client) error {
				r.cmd, r.client = cmd, c
				var failed []error
				for _, name := range args {
					failed = append(failed, r.remove(cmd.Context(), name))
				}
				return errors.Join(failed...)
			})
		},
	}
	hostFlag(cmd, &r.host)
	cmd.Flags().DurationVar(&r.timeout, "timeout", time.Minute, "`time` to wait for the containers to leave the networks")
	return cmd
}

// remove goes the other way round than deploy: what refers goes before what it refers to.
func (r *removal) remove(ctx context.Context, name string) error {
	services, err := r.client.ServiceList(ctx, client.ServiceListOptions{Filters: ofStack(name)})
	if err != nil {
		return fmt.Errorf("stack %s was not removed: %w", name, err)
	}
	networks, err := r.client.NetworkList(ctx, client.NetworkListOptions{Filters: ofStack(name)})
	if err != nil {
		return fmt.Errorf("stack %s was not removed: %w", name, err)
	}
	secrets, err := r.client.SecretList(ctx, client.SecretListOptions{Filters: ofStack(name)})
	if err != nil {
		return fmt.Errorf("stack %s was not removed: %w", name, err)
	}
	configs, err := r.client.ConfigList(ctx, client.ConfigListOptions{Filters: ofStack(name)})
	if err != nil {
		return fmt.Errorf("stack %s was not removed: %w", name, err)
	}
	if len(services.Items)+len(networks.Items)+len(secrets.Items)+len(configs.Items) == 0 {
		return noStack(name)
	}
	var failed []error
	note := func(what string, err error) {
		if err != nil {
			failed = append(failed, fmt.Errorf("%s of stack %s was not removed: %w", what, name, err))
		}
	}
	for _, s := range services.Items {
		say(r.cmd, "Removing service %s", s.Spec.Name)
		_, err := r.client.ServiceRemove(ctx, s.ID, client.ServiceRemoveOptions{})
		note("service "+s.Spec.Name, err)
	}
	for _, s := range secrets.Items {
		say(r.cmd, "Removing secret %s", s.Spec.Name)
		_, err := r.client.SecretRemove(ctx, s.ID, client.SecretRemoveOptions{})
		note("secret "+s.Spec.Name, err)
	}
	if n := len(revision.Of(name, configs.Items)); n > 0 {
		say(r.cmd, "Removing %s", count(n, "revision"))
	}
	for _, c := range configs.Items {
		if c.Spec.Labels[stack.LabelRevision] == "" {
			say(r.cmd, "Removing config %s", c.Spec.Name)
		}
		_, err := r.client.ConfigRemove(ctx, c.ID, client.ConfigRemoveOptions{})
		note("config "+c.Spec.Name, err)
	}
	deadline := r.clock.Now().Add(r.timeout)
	for _, n := range networks.Items {
		say(r.cmd, "Removing network %s", n.Name)
		note("network "+n.Name, r.network(ctx, n, deadline))
	}
	return errors.Join(failed...)
}

// network removes one as soon as no container is on it.
func (r *removal) network(ctx context.Context, n network.Summary, deadline time.Time) error {
	for {
		_, err := r.client.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		if err == nil || !inUse(err) || !r.clock.Now().Before(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.clock.After(clusterapi.LookEvery):
		}
	}
}
