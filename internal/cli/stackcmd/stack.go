package stackcmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/clusterapi"
)

// clock is where the commands have the time from: they wait.
type clock = clusterapi.Clock

// New is skep stack.
func New() *cobra.Command { return newCommand(clusterapi.RealClock{}, whoami()) }

func newCommand(c clock, who string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stack COMMAND",
		Short: "Deploy Compose files on the cluster",
		Long: `Deploy Compose files on the cluster: those of the Compose Specification, which
docker compose reads, with all that its deploy section says about clusters.
What a cluster cannot honour is listed with file and line before anything is
changed. docker stack shows and removes these stacks as well, and stacks that
docker stack deploy made are taken over as they run.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(configCommand(), diffCommand(), planCommand(), deployCommand(c, who), historyCommand(c), rollbackCommand(c, who),
		listCommand(), tasksCommand(c), servicesCommand(), removeCommand(c))
	return cmd
}

func hostFlag(cmd *cobra.Command, host *string) {
	cmd.Flags().StringVar(host, "host", "", clusterapi.HostUsage)
}

func say(cmd *cobra.Command, format string, args ...any) {
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), format+"\n", args...)
}

func warn(cmd *cobra.Command, text string) {
	_, _ = fmt.Fprintln(cmd.ErrOrStderr(), strings.TrimSpace(text))
}

// count is a number of things in words.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
