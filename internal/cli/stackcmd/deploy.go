package stackcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/clusterapi"
	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/plan"
	"github.com/skep-org/skep/internal/stack/revision"
)

// deployment is one run of skep stack deploy, or of what does a part of it: plan, diff, rollback.
type deployment struct {
	files
	host         string
	options      plan.Options
	registryAuth bool
	always       bool // build also what the registry has
	detach       bool
	timeout      time.Duration
	keep         int
	message      string
	source       string // what is deployed, if not the files: "revision 3 says"
	who          string
	cmd          *cobra.Command
	client       *client.Client
	clock        clock

	builds    []*built            // the images that are built for the stack
	revisions []revision.Revision // as they were when the cluster was asked, the oldest first
}

func deployCommand(c clock, who string) *cobra.Command {
	d := &deployment{clock: c, who: who}
	cmd := &cobra.Command{
		Use:   "deploy [STACK]",
		Short: "Make the cluster run what the files say",
		Long: `Make the cluster run what the files say, and wait until it does. STACK is the
stack's name; without it name: in the files is.

The images of services with build: are built by this node's engine, pushed to
the cluster's registry and run from there, before anything is changed. One that
is there, and would be built of the same files and settings, is not built again.

Only what has changed is touched. Configs and secrets whose content is another
become new versions, and the services that use them go over to those. The exit
status is 0 when every service of the stack has become what it was asked to be.

What was deployed is kept as a numbered revision of the stack, if it is another
than the one before: see skep stack history and rollback.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.ofFiles(cmd, named(args), d.deploy)
		},
	}
	d.files.flags(cmd)
	d.compareFlags(cmd)
	d.deployFlags(cmd)
	cmd.Flags().BoolVar(&d.always, "build", false, "build the images anew that the cluster's registry has already")
	cmd.MarkFlagsMutuallyExclusive("build", "no-build")
	return cmd
}

// compareFlags are those by which files and cluster are compared.
func (d *deployment) compareFlags(cmd *cobra.Command) {
	d.hostFlags(cmd)
	cmd.Flags().BoolVar(&d.noBuild, "no-build", false, "build nothing: services with build: run the image they name, as it is in its registry")
	cmd.Flags().StringVar(&d.options.Resolve, "resolve-image", plan.ResolveAlways, "`when` to ask the registry which image a tag is: always, changed or never")
}

func (d *deployment) hostFlags(cmd *cobra.Command) {
	hostFlag(cmd, &d.host)
	cmd.Flags().BoolVar(&d.registryAuth, "with-registry-auth", false, "send the nodes what docker login has kept for the images' registries")
	cmd.Flags().BoolVar(&d.options.Prune, "prune", false, "remove services of the stack that are no part of it any more")
}

func (d *deployment) deployFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&d.detach, "detach", "d", false, "do not wait for the services")
	cmd.Flags().DurationVar(&d.timeout, "timeout", 5*time.Minute, "`time` to wait for the services")
	cmd.Flags().IntVar(&d.keep, "keep", 10, "`number` of revisions of the stack to keep")
	cmd.Flags().StringVarP(&d.message, "message", "m", "", "`text` to keep with the revision")
}

// ofFiles does something about the stack that the files say, with a client of the cluster.
func (d *deployment) ofFiles(cmd *cobra.Command, name string, do func(context.Context, *stack.Stack) error) error {
	d.cmd = cmd
	if !slices.Contains([]string{plan.ResolveAlways, plan.ResolveChanged, plan.ResolveNever}, d.options.Resolve) {
		return fmt.Errorf("--resolve-image %q is not one of always, changed and never", d.options.Resolve)
	}
	s, _, err := d.load(cmd, name)
	if err != nil {
		return err
	}
	return d.connected(func() error { return do(cmd.Context(), s) })
}

func (d *deployment) connected(do func() error) error {
	d.host = local.Address(d.host)
	return connected(d.host, func(c *client.Client) error {
		d.client = c
		return do()
	})
}

// deploy writes what of a stack the cluster has not, keeps the revision, and waits.
func (d *deployment) deploy(ctx context.Context, s *stack.Stack) error {
	if d.keep < 1 {
		return fmt.Errorf("--keep %d is too few: the newest revision is always kept", d.keep)
	}
	p, err := d.ready(ctx, s)
	if err != nil {
		return err
	}
	w := clusterapi.Writer{Client: d.client, Auth: d.auth,
		Say: func(format string, args ...any) { say(d.cmd, format, args...) }, Warn: func(text string) { warn(d.cmd, text) }}
	waited, err := w.Apply(ctx, p)
	if err != nil {
		return fmt.Errorf("stack %s is deployed in part: %w; the same command goes on from here", s.Name, err)
	}
	if p.Empty() {
		say(d.cmd, "Nothing to change in stack %s", s.Name)
	}
	d.record(ctx, p)
	d.removeImages(ctx, s.Name)
	if d.detach {
		return nil
	}
	return d.wait(ctx, s.Name, waited)
}

// wait looks at a stack's services until all are there or one has failed.
func (d *deployment) wait(ctx context.Context, name string, changed map[string]bool) error {
	n, err := clusterapi.Wait{What: "stack " + name, Filters: ofStack(name), Changed: changed, Timeout: d.timeout, Clock: d.clock,
		Say: func(text string) { say(d.cmd, "%s", text) }}.Until(ctx, d.client)
	if err != nil {
		return err
	}
	say(d.cmd, "Stack %s is what %s: %s", name, cmp.Or(d.source, "the files say"), count(n, "service"))
	return nil
}

// ready is a plan that nothing stands in the way of, with all images built. Nothing is built for one that something does.
func (d *deployment) ready(ctx context.Context, s *stack.Stack) (*plan.Plan, error) {
	if err := d.lookAtBuilds(ctx, s); err != nil {
		return nil, err
	}
	build := slices.ContainsFunc(d.builds, func(b *built) bool { return b.wanted(d.always) })
	p, _, err := d.compare(ctx, s)
	if err == nil && build && len(p.Problems) == 0 {
		if err = d.buildAll(ctx); err == nil {
			p, _, err = d.compare(ctx, s) // the cluster may have changed meanwhile
		}
	}
	if err != nil {
		return nil, err
	}
	d.warnings(p)
	return p, problems("nothing was changed", p)
}

// plan looks at the builds and compares a stack with the cluster.
func (d *deployment) plan(ctx context.Context, s *stack.Stack) (*plan.Plan, plan.Current, error) {
	if err := d.lookAtBuilds(ctx, s); err != nil {
		return nil, plan.Current{}, err
	}
	p, now, err := d.compare(ctx, s)
	if err == nil {
		d.warnings(p)
	}
	return p, now, err
}

func (d *deployment) warnings(p *plan.Plan) {
	for _, w := range p.Warnings {
		warn(d.cmd, "warned: "+w)
	}
}

// compare compares a stack with the cluster.
func (d *deployment) compare(ctx context.Context, s *stack.Stack) (*plan.Plan, plan.Current, error) {
	now, err := d.current(ctx, s)
	if err != nil {
		return nil, now, err
	}
	if d.options.Resolved == nil {
		ask := slices.DeleteFunc(plan.Unresolved(s, now.Services, d.options.Resolve), func(image string) bool {
			return slices.ContainsFunc(d.builds, func(b *built) bool { return b.name == image })
		})
		if d.options.Resolved, err = d.resolve(ctx, ask); err != nil {
			return nil, now, err
		}
	}
	for _, b := range d.builds {
		d.options.Resolved[b.name] = b.image
	}
	known, left, refused := heard(s, d.client.ClientVersion())
	p := plan.Make(known, now, d.options)
	p.Warnings, p.Problems = append(left, p.Warnings...), append(refused, p.Problems...)
	return p, now, nil
}

// problems is what stands in the way of a plan.
func problems(what string, p *plan.Plan) error {
	switch len(p.Problems) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s: %s", what, p.Problems[0])
	}
	return errors.New(what + ":\n  " + strings.Join(p.Problems, "\n  "))
}
