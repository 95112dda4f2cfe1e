package labcmd

import (
	"fmt"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/lab/hosts"
)

func execCommand(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec HOST -- COMMAND [ARG...]",
		Short: "Run a command on a host, where docker talks to the host's skep",
		Long: `Run a command on a host: in its network, among its processes, with its /run.
docker talks to the host's skep there. Other files are this machine's.`,
		Args: cobra.MinimumNArgs(2),
		RunE: withLab(dir, func(cmd *cobra.Command, lab *hosts.Lab, args []string) error {
			h, err := lab.Find(args[0])
			if err != nil {
				return err
			}
			command := args[1:]
			if command[0] == "--" && len(command) > 1 {
				command = command[1:]
			}
			return become(cmd, h, command)
		}),
	}
	cmd.Flags().SetInterspersed(false) // what follows the host is the command's
	return cmd
}

func clientCommand(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client -- COMMAND [ARG...]",
		Short: "Run a command outside the cluster, on the same switch",
		Long: `Run a command on a machine that is on the same switch as the hosts and is none of
them, as users of the cluster's services are. It knows the hosts by their names.`,
		Args: cobra.MinimumNArgs(1),
		RunE: withLab(dir, func(cmd *cobra.Command, lab *hosts.Lab, args []string) error {
			return become(cmd, lab.Client(), args)
		}),
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// become replaces this process: the command has the terminal, gets the signals and returns its own exit code.
func become(cmd *cobra.Command, h *hosts.Host, args []string) error {
	c, err := h.Command(cmd.Context(), args...)
	if err != nil {
		return err
	}
	return replace(c)
}

func replace(c *exec.Cmd) error {
	if err := syscall.Exec(c.Path, c.Args, c.Env); err != nil {
		return fmt.Errorf("running %s: %w", c.Path, err)
	}
	return nil
}

func logsCommand(dir *string) *cobra.Command {
	var follow, engine, boot bool
	cmd := &cobra.Command{
		Use:   "logs HOST",
		Short: "Show the log of a host's skep daemon",
		Args:  cobra.ExactArgs(1),
		RunE: withLab(dir, func(cmd *cobra.Command, lab *hosts.Lab, args []string) error {
			h, err := lab.Find(args[0])
			if err != nil {
				return err
			}
			path := h.Log(hosts.Daemon)
			switch {
			case engine:
				path = h.Log(hosts.Engine)
			case boot:
				path = h.Log(hosts.Boot)
			}
			tail := []string{"-n", "+1", path}
			if follow {
				tail = append([]string{"-F"}, tail...)
			}
			c := exec.CommandContext(cmd.Context(), "tail", tail...)
			c.Stdout, c.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return c.Run()
		}),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is added")
	cmd.Flags().BoolVar(&engine, "engine", false, "the Docker Engine's log instead")
	cmd.Flags().BoolVar(&boot, "boot", false, "the log of the host's start instead, and of its programs' ends")
	cmd.MarkFlagsMutuallyExclusive("engine", "boot")
	return cmd
}
