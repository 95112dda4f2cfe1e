package stackcmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/plan"
)

// deployment is one run of skep stack deploy.
type deployment struct {
	files
	host         string
	options      plan.Options
	registryAuth bool
	detach       bool
	timeout      time.Duration
	cmd          *cobra.Command
	client       *client.Client
	clock        clock
}

func deployCommand(c clock) *cobra.Command {
	d := &deployment{clock: c}
	cmd := &cobra.Command{
		Use:   "deploy [STACK]",
		Short: "Make the cluster run what the files say",
		Long: `Make the cluster run what the files say, and wait until it does. STACK is the
stack's name; without it name: in the files is.

Only what has changed is touched. Configs and secrets whose content is another
become new versions, and the services that use them go over to those. The exit
status is 0 when every service of the stack has become what it was asked to be.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.cmd = cmd
			return d.run(named(args))
		},
	}
	d.files.flags(cmd)
	hostFlag(cmd, &d.host)
	cmd.Flags().BoolVar(&d.registryAuth, "with-registry-auth", false, "send the nodes what docker login has kept for the images' registries")
	cmd.Flags().BoolVar(&d.options.Prune, "prune", false, "remove services of the stack that are in the files no more")
	cmd.Flags().StringVar(&d.options.Resolve, "resolve-image", plan.ResolveAlways, "`when` to ask the registry which image a tag is: always, changed or never")
	cmd.Flags().BoolVarP(&d.detach, "detach", "d", false, "do not wait for the services")
	cmd.Flags().DurationVar(&d.timeout, "timeout", 5*time.Minute, "`time` to wait for the services")
	return cmd
}

func (d *deployment) run(name string) error {
	ctx := d.cmd.Context()
	if !slices.Contains([]string{plan.ResolveAlways, plan.ResolveChanged, plan.ResolveNever}, d.options.Resolve) {
		return fmt.Errorf("--resolve-image %q is not one of always, changed and never", d.options.Resolve)
	}
	s, _, err := d.load(d.cmd, name)
	if err != nil {
		return err
	}
	d.host = address(d.host)
	if d.client, err = connect(d.host); err != nil {
		return err
	}
	defer func() { _ = d.client.Close() }()
	p, err := d.plan(ctx, s)
	if err != nil {
		return err
	}
	waited, err := d.apply(ctx, p)
	if err != nil {
		return fmt.Errorf("stack %s is deployed in part: %w; the same command goes on from here", s.Name, err)
	}
	if p.Empty() {
		say(d.cmd, "Nothing to change in stack %s", s.Name)
	}
	if d.detach {
		return nil
	}
	return d.wait(ctx, s.Name, waited)
}

// plan compares the files with the cluster, and fails when something stands in the way.
func (d *deployment) plan(ctx context.Context, s *stack.Stack) (*plan.Plan, error) {
	now, err := d.current(ctx, s)
	if err != nil {
		return nil, err
	}
	d.options.Resolved, err = d.resolve(ctx, plan.Unresolved(s, now.Services, d.options.Resolve))
	if err != nil {
		return nil, err
	}
	p := plan.Make(s, now, d.options)
	for _, w := range p.Warnings {
		warn(d.cmd, "warned: "+w)
	}
	if len(p.Problems) == 0 {
		return p, nil
	}
	if len(p.Problems) == 1 {
		return nil, fmt.Errorf("nothing was changed: %s", p.Problems[0])
	}
	return nil, errors.New("nothing was changed:\n  " + strings.Join(p.Problems, "\n  "))
}
