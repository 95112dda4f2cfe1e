package stackcmd

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/go-units"
	"github.com/moby/moby/client"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/stack/plan"
	"github.com/skep-org/skep/internal/stack/revision"
)

// whoami is how a revision says who deployed it: what this machine calls them.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// recordTries bounds how often a number is tried that another deployment has taken meanwhile.
const recordTries = 5

// record keeps what was deployed, if it is another than the newest revision, and removes what is too many. The stack is
// deployed by then: what goes wrong here is said and no more.
func (d *deployment) record(ctx context.Context, p *plan.Plan) {
	next := revision.New(p, d.who, d.message)
	if n := len(d.revisions); n == 0 || !d.revisions[n-1].Same(next) {
		number, err := d.write(ctx, next)
		if err != nil {
			warn(d.cmd, "warned: this deployment is not kept as a revision: "+err.Error())
			return
		}
		say(d.cmd, "Revision %d of stack %s", number, p.Stack.Name)
		d.revisions = append(d.revisions, next)
	}
	for _, old := range d.revisions[:max(0, len(d.revisions)-d.keep)] {
		if _, err := d.client.ConfigRemove(ctx, old.ID, client.ConfigRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			warn(d.cmd, fmt.Sprintf("warned: revision %d stays: %s", old.Number, err))
		}
	}
}

func (d *deployment) write(ctx context.Context, next revision.Revision) (number int, err error) {
	number = revision.Next(d.revisions)
	for try := 1; ; try++ {
		spec, err := next.Config(number)
		if err != nil {
			return 0, err
		}
		_, err = d.client.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: spec})
		if !errdefs.IsConflict(err) || try == recordTries {
			return number, err
		}
		number++
	}
}

// revisionsOf reads a stack's revisions.
func revisionsOf(ctx context.Context, c *client.Client, name string) ([]revision.Revision, error) {
	configs, err := c.ConfigList(ctx, client.ConfigListOptions{Filters: ofStack(name)})
	if err != nil {
		return nil, fmt.Errorf("the revisions of stack %s cannot be read: %w", name, err)
	}
	all := revision.Of(name, configs.Items)
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no revision of a stack %s: skep stack deploy keeps them", name)
	}
	return all, nil
}

func historyCommand(c clock) *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:   "history STACK",
		Short: "List what was deployed of a stack, and when",
		Long: `List the revisions of a stack: what skep stack deploy and rollback have
deployed, the newest last. Those before the newest ten are not kept, or before
as many as --keep of these commands says.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return connected(host, func(api *client.Client) error {
				all, err := revisionsOf(cmd.Context(), api, args[0])
				if err != nil {
					return err
				}
				rows := [][]string{{"REVISION", "DEPLOYED", "BY", "SERVICES", "MESSAGE"}}
				for _, r := range all {
					when := strings.ToLower(units.HumanDuration(c.Now().Sub(r.At))) + " ago"
					row := []string{strconv.Itoa(r.Number), when, r.By, strconv.Itoa(len(r.Stack.Services)), r.Message}
					if r.Err != "" {
						row = []string{strconv.Itoa(r.Number), when, "", "", r.Err}
					}
					rows = append(rows, row)
				}
				return table(cmd, rows)
			})
		},
	}
	hostFlag(cmd, &host)
	return cmd
}

func rollbackCommand(c clock, who string) *cobra.Command {
	d := &deployment{clock: c, who: who}
	cmd := &cobra.Command{
		Use:   "rollback STACK [REVISION]",
		Short: "Deploy an earlier revision of a stack again",
		Long: `Deploy an earlier revision of a stack again: the one before the newest, or that
of a number from skep stack history. It is deployed as it was, with the images,
configs and secrets it had, and becomes the newest revision. Services that have
come since stay, unless --prune is given.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.cmd = cmd
			return d.connected(func() error { return d.rollback(cmd.Context(), args) })
		},
	}
	d.hostFlags(cmd)
	d.deployFlags(cmd)
	return cmd
}

func (d *deployment) rollback(ctx context.Context, args []string) error {
	all, err := revisionsOf(ctx, d.client, args[0])
	if err != nil {
		return err
	}
	r, err := pick(args, all)
	if err != nil {
		return err
	}
	if r.Err != "" {
		return fmt.Errorf("revision %d of stack %s cannot be deployed again: %s", r.Number, args[0], r.Err)
	}
	s, options := r.Again()
	options.Prune = d.options.Prune
	d.options, d.source = options, fmt.Sprintf("revision %d says", r.Number)
	if d.message == "" {
		d.message = fmt.Sprintf("rollback to revision %d", r.Number)
	}
	say(d.cmd, "Deploying revision %d of stack %s again", r.Number, args[0])
	return d.deploy(ctx, s)
}

// pick is the revision that is meant: without a number the one before the newest.
func pick(args []string, all []revision.Revision) (revision.Revision, error) {
	if len(args) == 1 {
		if len(all) < 2 {
			return revision.Revision{}, fmt.Errorf("there is no revision before %d of stack %s", all[0].Number, args[0])
		}
		return all[len(all)-2], nil
	}
	for _, r := range all {
		if args[1] == strconv.Itoa(r.Number) {
			return r, nil
		}
	}
	return revision.Revision{}, fmt.Errorf("there is no revision %s of stack %s: skep stack history %s lists those there are", args[1], args[0], args[0])
}
