package labcmd

import (
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/examples/whoami/web"
	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// New is the lab command.
func New() *cobra.Command {
	dir := hosts.DefaultDir
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Make a cluster of several hosts on this machine, and break it",
		Long: `Make a cluster of several hosts on this machine, to try things on and to break.

Each host has its own network, processes and /run, its own Docker Engine and
skep daemon; a private switch connects them. m1, m2 ... are managers, w1, w2 ...
workers, and "client" is a machine on the same switch that is none of them.

  skep lab up --managers 3 --workers 2
  skep lab exec m1 -- docker node ls
  skep lab client -- curl http://w1:8080
  skep lab kill m1
  skep lab down

It needs root and, of Debian, docker.io, iproute2, nftables and iptables.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&dir, "dir", dir, "`directory` with the lab's state and its hosts' data")
	cmd.AddCommand(upCommand(&dir), downCommand(&dir), statusCommand(&dir), execCommand(&dir), clientCommand(&dir), logsCommand(&dir))
	cmd.AddCommand(powerCommands(&dir)...)
	cmd.AddCommand(networkCommands(&dir)...)
	return cmd
}

// Init is the hidden command that is the first process of a lab's machine.
func Init() *cobra.Command {
	return &cobra.Command{
		Use:    hosts.InitCommand + " DIR",
		Short:  "Be the first process of a lab's host",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return guest.Serve(args[0]) },
	}
}

// Whoami is the hidden command that is the web server of the lab's image where the small program is not at hand.
func Whoami() *cobra.Command {
	return &cobra.Command{
		Use:                hosts.WhoamiCommand + " [ARG...]",
		Short:              "Be the web server of the image " + hosts.WhoamiImage,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(cmd *cobra.Command, args []string) error { return web.Run(cmd.Context(), args) },
	}
}

// withLab opens the lab for a command.
func withLab(dir *string, f func(cmd *cobra.Command, lab *hosts.Lab, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		lab, err := hosts.Open(*dir)
		if err != nil {
			return err
		}
		return f(cmd, lab, args)
	}
}
