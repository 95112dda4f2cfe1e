package machinecmd

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/output"
	"github.com/skep-org/skep/internal/provision"
	"github.com/skep-org/skep/internal/provision/fleet"
)

func create(o *options) *cobra.Command {
	var file, role string
	m := provision.Machine{}
	cmd := &cobra.Command{
		Use:   "create --host [USER@]ADDRESS NAME | create --file FILE",
		Short: "Make hosts nodes",
		Long: `Make a host a node, or all those of a file:

  defaults:
    identity: ~/.ssh/id_ed25519
    jump: admin@bastion.example
  machines:
    - {name: m1, host: root@192.0.2.11, role: manager}
    - {name: w1, host: root@192.0.2.21}

The first manager founds the cluster, unless there is one. What is done already
is left alone, so the same command goes on where one broke off.

Keys are those of your ssh-agent, of ~/.ssh, or in --identity. Whoever is not
root there needs sudo without a password. A host whose key is not in
~/.ssh/known_hosts is refused.`,
		Args: cobra.MaximumNArgs(1),
		RunE: o.with(func(cmd *cobra.Command, all *fleet.Fleet, args []string) error {
			var wanted []provision.Machine
			var err error
			switch {
			case file != "" && len(args) == 0 && m.Host == "":
				wanted, err = readFile(file)
			case file == "" && len(args) == 1 && m.Host != "":
				m.Name, m.Role = args[0], provision.Role(role)
				wanted, err = one(m, all.Store)
			default:
				err = errors.New("say --host and a name, or --file")
			}
			if err != nil {
				return err
			}
			if err := all.Create(cmd.Context(), wanted); err != nil {
				return err
			}
			return output.Printf(cmd, "%s of the cluster: skep machine ls\n", count(len(wanted)))
		}),
	}
	f := cmd.Flags()
	f.StringVar(&m.Driver, "driver", provision.SSH, "`way` to reach the host: ssh, or lab for hosts of skep lab on this machine")
	f.StringVar(&m.Host, "host", "", "`address` of the host, with the user to log in as; with the driver lab its name")
	f.StringVar(&role, "role", "", "manager or worker (default: manager if it is the first of the machines)")
	f.StringVar(&m.AdvertiseAddr, "advertise-addr", "", "`address` or interface where other nodes reach it (default: that of the default route)")
	f.StringVar(&m.Identity, "identity", "", "`file` with the private key to log in with")
	f.StringVar(&m.KnownHosts, "known-hosts", "", "`file` with the keys of hosts (default: ~/.ssh/known_hosts)")
	f.StringVar(&m.Jump, "jump", "", "`hosts` to go through, [user@]address[:port], separated by commas")
	f.StringVar(&m.LabDir, "lab-dir", "", "`directory` of the lab, for the driver lab")
	f.StringVarP(&file, "file", "f", "", "`file` with machines")
	o.programFlag(cmd)
	return cmd
}

func count(n int) string {
	if n == 1 {
		return "1 machine is a node"
	}
	return fmt.Sprintf("%d machines are nodes", n)
}

// one completes a machine that was given by flags.
func one(m provision.Machine, kept fleet.Store) ([]provision.Machine, error) {
	for _, path := range []*string{&m.Identity, &m.KnownHosts, &m.LabDir} {
		if *path != "" {
			abs, err := filepath.Abs(*path)
			if err != nil {
				return nil, err
			}
			*path = abs
		}
	}
	if m.Role == "" {
		all, err := kept.All()
		if err != nil {
			return nil, err
		}
		m.Role = provision.Worker
		if len(all) == 0 || len(all) == 1 && all[0].Name == m.Name {
			m.Role = provision.Manager
		}
	}
	return []provision.Machine{m}, m.Validate()
}

func readFile(path string) ([]provision.Machine, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	all, err := provision.ParseInventory(text, dir, home)
	if err != nil {
		return nil, fmt.Errorf("the machines in %s cannot be made: %w", cmp.Or(path, "the file"), err)
	}
	return all, nil
}
