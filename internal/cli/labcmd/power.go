package labcmd

import (
	"context"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/cli/output"
	"github.com/skep-org/skep/internal/lab/hosts"
)

// powerCommands are those that do one thing to each of some hosts.
func powerCommands(dir *string) []*cobra.Command {
	return []*cobra.Command{
		eachHost(dir, "kill", "Cut hosts' power: the link first, then everything at once", "off", (*hosts.Host).Kill),
		eachHost(dir, "stop", "Shut hosts down in an orderly way", "off", (*hosts.Host).Stop),
		eachHost(dir, "start", "Turn hosts on again, with the data they had", "on", (*hosts.Host).Start),
		eachHost(dir, "pause", "Stop everything on hosts where it is", "paused", (*hosts.Host).Pause),
		eachHost(dir, "resume", "Let paused hosts go on", "on", (*hosts.Host).Resume),
	}
}

func eachHost(dir *string, name, short, then string, do func(*hosts.Host, context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use:   name + " HOST...",
		Short: short,
		Args:  cobra.MinimumNArgs(1),
		RunE: withLab(dir, func(cmd *cobra.Command, lab *hosts.Lab, args []string) error {
			var named []*hosts.Host
			for _, arg := range args {
				h, err := lab.Find(arg)
				if err != nil {
					return err
				}
				named = append(named, h)
			}
			g, ctx := errgroup.WithContext(cmd.Context())
			for _, h := range named {
				g.Go(func() error { return do(h, ctx) })
			}
			if err := g.Wait(); err != nil {
				return err
			}
			for _, h := range named {
				if err := output.Printf(cmd, "%s is %s\n", h.Name, then); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}
