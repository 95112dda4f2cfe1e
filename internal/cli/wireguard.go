package cli

import (
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/skep-org/skep/internal/network/wireguard"
)

// wireguardCommand is what a daemon starts on a node that carries encrypted networks and whose kernel has no WireGuard.
func wireguardCommand() *cobra.Command {
	var o wireguard.Options
	cmd := &cobra.Command{
		Use:    "wireguard",
		Short:  "Encrypt between nodes, where the kernel does not; started by skep itself",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), unix.SIGTERM)
			defer stop()
			return wireguard.Serve(ctx, o)
		},
	}
	cmd.Flags().StringVar(&o.Name, "name", "", "`name` of the device")
	cmd.Flags().StringVar(&o.Namespace, "namespace", "", "`path` of the network namespace it is to be in")
	cmd.Flags().IntVar(&o.MTU, "mtu", 0, "`bytes` in its packets")
	return cmd
}
