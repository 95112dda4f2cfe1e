package machinecmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/lab/machines"
	"github.com/skep-org/skep/internal/provision"
	"github.com/skep-org/skep/internal/provision/fleet"
	"github.com/skep-org/skep/internal/provision/sshdriver"
)

// options are those of every machine command.
type options struct {
	dir       string
	acceptNew bool
	programs  []string
}

// New is skep machine.
func New() *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "machine COMMAND",
		Short: "Make hosts nodes of a cluster, over SSH",
		Long: `Make hosts nodes of a cluster, from where you work. Over SSH each host is
checked, gets the Docker Engine by its own package manager where that is
missing, and skep with its service, and founds the cluster or joins it.

  skep machine create --host root@192.0.2.11 m1
  skep machine create --host root@192.0.2.21 --role worker w1
  skep machine create --file machines.yaml
  skep machine ls
  skep machine upgrade

The machines in one directory (--dir) are of one cluster.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&o.dir, "dir", "", "`directory` that keeps how to reach the machines (default: skep/machines in your configuration's)")
	cmd.PersistentFlags().BoolVar(&o.acceptNew, "accept-new-host-key", false, "trust the key of a host that is not known yet, and write it down")
	cmd.AddCommand(create(o), list(o), inspect(o), shell(o), upgrade(o), remove(o), dialStdio())
	return cmd
}

// with runs a function on the machines.
func (o *options) with(f func(cmd *cobra.Command, all *fleet.Fleet, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		all, err := o.fleet(cmd)
		if err != nil {
			return err
		}
		return f(cmd, all, args)
	}
}

func (o *options) fleet(cmd *cobra.Command) (*fleet.Fleet, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("where your keys are is not known: %w", err)
	}
	dir := o.dir
	if dir == "" {
		if dir, err = fleet.DefaultDir(); err != nil {
			return nil, err
		}
	}
	paths := o.programs
	if len(paths) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("where this program is, is not known (name it by --program): %w", err)
		}
		paths = []string{self}
	}
	programs, err := fleet.ReadPrograms(paths)
	if err != nil {
		return nil, err
	}
	return &fleet.Fleet{
		Store: fleet.Store{Dir: dir},
		Drivers: map[string]provision.Driver{
			provision.SSH: sshdriver.New(sshdriver.Options{
				AcceptNew: o.acceptNew, Home: home, Agent: os.Getenv("SSH_AUTH_SOCK"), Configs: []string{filepath.Join(home, ".ssh", "config"), "/etc/ssh/ssh_config"},
			}),
			provision.Lab: machines.Driver{},
		},
		Programs: programs, Progress: cmd.ErrOrStderr(),
	}, nil
}

func (o *options) programFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.programs, "program", nil, "the skep `program` to install, built without cgo (default: this one); once for each kind of machine")
}

func upgrade(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upgrade [NAME...]",
		Short: "Have nodes go over to this skep, one after the other",
		Long: `Have nodes go over to this skep: all machines, or those named. The program is
copied to all hosts first. Then one daemon at a time is restarted, those of
workers first, of managers then, of the leader last, which hands over; each has
to be well again, and all others with it, before the next. Containers run on.

It begins only when all machines are well, and stops at the first that does not
come back. Run again it goes on where it stopped.`,
		RunE: o.with(func(cmd *cobra.Command, all *fleet.Fleet, args []string) error {
			return all.Upgrade(cmd.Context(), args)
		}),
	}
	o.programFlag(cmd)
	return cmd
}

func remove(o *options) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rm NAME",
		Short: "Take a machine out of the cluster, and skep from its host",
		Long: `Take a machine out of its cluster: as a manager it is demoted first. Then skep
is removed from the host with its data, and the machine forgotten. Its tasks are
started elsewhere. The Docker Engine and what else it runs stay.`,
		Args: cobra.ExactArgs(1),
		RunE: o.with(func(cmd *cobra.Command, all *fleet.Fleet, args []string) error {
			return all.Remove(cmd.Context(), args[0], force)
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "also when it is not reached, or is the last manager, which ends the cluster")
	return cmd
}

func shell(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh NAME [COMMAND...]",
		Short: "Run a shell, or a command, on a machine",
		Args:  cobra.MinimumNArgs(1),
		RunE: o.with(func(cmd *cobra.Command, all *fleet.Fleet, args []string) error {
			err := runShell(cmd, all, args)
			var exit provision.ExitError
			if errors.As(err, &exit) {
				os.Exit(exit.Code)
			}
			return err
		}),
	}
	cmd.Flags().SetInterspersed(false) // what follows the name is the command's
	return cmd
}

func runShell(cmd *cobra.Command, all *fleet.Fleet, args []string) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	return all.Shell(ctx, args[0], args[1:], terminal(ctx, cmd, len(args) == 1))
}
