package stackcmd

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/plan"
)

// ErrDiffers is how skep stack diff says that there is a difference: it is not printed, and the exit status tells.
var ErrDiffers = errors.New("the cluster does not have what the files say")

// cannot is what plan and diff say of what a deployment would not begin with.
const cannot = "this cannot be deployed"

func diffCommand() *cobra.Command {
	d := &deployment{}
	cmd := &cobra.Command{
		Use:   "diff [STACK]",
		Short: "Show in what the cluster differs from the files",
		Long: `Show in what the cluster differs from the files: what skep stack deploy would
make (+), change (~) field by field, and remove (-). Nothing is changed, and no
secret's or config's content is shown.

The exit status is 0 when nothing differs, 2 when something does, and 1 when it
cannot be told or could not be deployed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return d.ofFiles(cmd, named(args), d.diff) },
	}
	d.files.flags(cmd)
	d.compareFlags(cmd)
	return cmd
}

func (d *deployment) diff(ctx context.Context, s *stack.Stack) error {
	p, now, err := d.plan(ctx, s)
	if err != nil {
		return err
	}
	d.changes(p, now)
	if err := problems(cannot, p); err != nil {
		return err
	}
	if !p.Empty() || d.missing() {
		return ErrDiffers
	}
	return nil
}

// missing reports whether an image has to be built.
func (d *deployment) missing() bool {
	return slices.ContainsFunc(d.builds, func(b *built) bool { return !b.there })
}

// changes shows what a plan writes.
func (d *deployment) changes(p *plan.Plan, now plan.Current) {
	if p.Empty() && !d.missing() {
		say(d.cmd, "Nothing to change in stack %s", p.Stack.Name)
	}
	for _, b := range d.builds {
		switch {
		case !b.there:
			say(d.cmd, "%s image %s: to be built from %s", plan.Made, b.name, b.from())
		case b.Always:
			say(d.cmd, "%s image %s: to be built anew from %s, and what runs it is replaced if it comes out different", plan.Changed, b.name, b.from())
		}
	}
	for _, c := range p.Changes(now) {
		line := string(c.Action) + " " + c.Kind + " " + c.Name
		if c.Note != "" {
			line += ": " + c.Note
		}
		say(d.cmd, "%s", line)
		for _, f := range c.Fields {
			switch {
			case f.Old == "":
				say(d.cmd, "    %s: + %s", f.Path, f.New)
			case f.New == "":
				say(d.cmd, "    %s: - %s", f.Path, f.Old)
			default:
				say(d.cmd, "    %s: %s → %s", f.Path, f.Old, f.New)
			}
		}
	}
}
