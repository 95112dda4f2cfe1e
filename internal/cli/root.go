package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/backupcmd"
	"github.com/skep-org/skep/internal/cli/doctorcmd"
	"github.com/skep-org/skep/internal/cli/imagecmd"
	"github.com/skep-org/skep/internal/cli/labcmd"
	"github.com/skep-org/skep/internal/cli/machinecmd"
	"github.com/skep-org/skep/internal/cli/migratecmd"
	"github.com/skep-org/skep/internal/cli/netcmd"
	"github.com/skep-org/skep/internal/cli/policycmd"
	"github.com/skep-org/skep/internal/cli/stackcmd"
	"github.com/skep-org/skep/internal/node"
)

// Options are what the program's main has and this package does not.
type Options struct {
	// Version is what the build calls itself.
	Version string
	// RunDaemon runs a node until the context ends; a nil one makes `skep daemon` say that it cannot.
	RunDaemon func(context.Context, node.Config) error
	// Simulate runs simulated clusters; a nil one makes `skep sim` say that it cannot.
	Simulate Simulate
	// Scale measures a cluster at full size, ScalePart is one of its processes; nil ones make `skep sim --tasks` say that it
	// cannot.
	Scale     Scale
	ScalePart ScalePart
}

// New is the skep command.
func New(o Options) *cobra.Command {
	root := &cobra.Command{
		Use:   "skep COMMAND",
		Short: "Docker Swarm mode, rebuilt",
		Long: `skep turns plain Docker Engines into one cluster. It speaks the Docker API: the
stock docker command, docker stack deploy, Compose files and everything else
that knows Docker's swarm mode are used with it unmodified.

Run "skep daemon" beside each engine, then "skep context" once, and go on with
docker:

  skep daemon &
  skep context
  docker swarm init
  docker service create --name web --replicas 3 IMAGE`,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		SilenceUsage:      true,
		SilenceErrors:     true,
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetUsageFunc(usage)
	root.AddCommand(daemonCommand(o), contextCommand(), backupcmd.Backup(), backupcmd.Restore(), netcmd.New(), policycmd.New(), imagecmd.New(), stackcmd.New(),
		machinecmd.New(), doctorcmd.New(), migratecmd.New(), labcmd.New(), versionCommand(o), simCommand(o), labcmd.Init(), labcmd.Whoami(), wireguardCommand())
	return root
}

// Status is the exit status of a command that failed, and whether it says nothing more. A difference that was looked for,
// and has been shown, has a status of its own.
func Status(err error) (status int, silent bool) {
	if errors.Is(err, stackcmd.ErrDiffers) {
		return 2, true
	}
	return 1, false
}
