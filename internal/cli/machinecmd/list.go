package machinecmd

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/output"
	"github.com/skep-org/skep/internal/provision/fleet"
)

func list(o *options) *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the machines, with the state of their nodes",
		Args:  cobra.NoArgs,
		RunE: o.with(func(cmd *cobra.Command, all *fleet.Fleet, _ []string) error {
			if quiet {
				kept, err := all.Store.All()
				for _, m := range kept {
					err = errors.Join(err, output.Printf(cmd, "%s\n", m.Name))
				}
				return err
			}
			states, err := all.Look(cmd.Context(), nil)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
			_, _ = fmt.Fprintln(w, "NAME\tDRIVER\tHOST\tROLE\tNODE\tSKEP\tERROR")
			for _, s := range states {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Machine.Name, s.Machine.Driver, s.Machine.Host, s.Machine.Role, s.Node, cmp.Or(s.Version, "-"), s.Err)
			}
			return w.Flush()
		}),
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "names only, and ask no host")
	return cmd
}

func inspect(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect NAME...",
		Short: "Show what is kept of machines, and what is found on them, as JSON",
		Args:  cobra.MinimumNArgs(1),
		RunE: o.with(func(cmd *cobra.Command, all *fleet.Fleet, args []string) error {
			states, err := all.Look(cmd.Context(), args)
			if err != nil {
				return err
			}
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(states)
		}),
	}
}
