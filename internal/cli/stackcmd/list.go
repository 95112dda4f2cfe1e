package stackcmd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/moby/moby/client"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/stack"
)

func listCommand() *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the cluster's stacks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return connected(host, func(c *client.Client) error {
				services, err := servicesOf(cmd.Context(), c, "", false)
				if err != nil {
					return err
				}
				stacks := map[string]int{}
				for _, s := range services {
					stacks[s.Spec.Labels[stack.LabelNamespace]]++
				}
				rows := [][]string{{"NAME", "SERVICES"}}
				for _, name := range slices.Sorted(maps.Keys(stacks)) {
					rows = append(rows, []string{name, fmt.Sprint(stacks[name])})
				}
				return table(cmd, rows)
			})
		},
	}
	hostFlag(cmd, &host)
	return cmd
}

// table prints rows, the first of them the head.
func table(cmd *cobra.Command, rows [][]string) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t")) // Flush tells
	}
	return w.Flush()
}
