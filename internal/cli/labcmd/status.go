package labcmd

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/output"
	"github.com/skep-org/skep/internal/lab/hosts"
)

func statusCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the hosts, where docker reaches them, and what is broken",
		Args:  cobra.NoArgs,
		RunE: withLab(dir, func(cmd *cobra.Command, lab *hosts.Lab, _ []string) error {
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(table, "HOST\tROLE\tADDRESS\tIS\tENGINE\tSKEP\tDOCKER_HOST")
			for _, h := range append(lab.Hosts(), lab.Client()) {
				s, err := h.Status(cmd.Context())
				if err != nil {
					return err
				}
				_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Name, h.Role, h.Address, s.Power, s.Engine, s.Daemon, s.DockerHost)
			}
			if err := table.Flush(); err != nil {
				return err
			}
			broken, err := lab.Faults()
			if err != nil || broken == "" {
				return err
			}
			return output.Printf(cmd, "\n%s", broken)
		}),
	}
}
