package labcmd

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/output"
	"github.com/skep-org/skep/internal/lab/hosts"
)

func upCommand(dir *string) *cobra.Command {
	cfg := hosts.DefaultConfig()
	subnet := cfg.Subnet.String()
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make the hosts and join them",
		Long: `Make the hosts, each with a Docker Engine, a skep daemon and the image
` + hosts.WhoamiImage + `, and join them with docker swarm init and docker swarm join.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Subnet.UnmarshalText([]byte(subnet)); err != nil {
				return err
			}
			cfg.Dir, cfg.Detached, cfg.Progress = *dir, true, cmd.ErrOrStderr()
			lab, err := hosts.Up(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if cfg.Bare || cfg.Systemd {
				return output.Printf(cmd, "skep lab client -- skep machine create --file %s\n", lab.Inventory())
			}
			return output.Printf(cmd, "export DOCKER_HOST=%s\n", lab.Hosts()[0].DockerHost())
		},
	}
	f := cmd.Flags()
	f.IntVar(&cfg.Managers, "managers", cfg.Managers, "`number` of hosts that are managers")
	f.IntVar(&cfg.Workers, "workers", cfg.Workers, "`number` of hosts that are workers")
	f.StringVar(&subnet, "subnet", subnet, "`network` of the hosts, a /24; it exists inside the lab only")
	f.BoolVar(&cfg.DockerSwarm, "docker-swarm", false, "leave skep out: Docker's own swarm mode on the same hosts, to compare with")
	f.BoolVar(&cfg.NoCluster, "no-cluster", false, "leave the hosts alone: no docker swarm init")
	f.BoolVar(&cfg.Bare, "bare", false, "hosts with an SSH server and nothing else, for skep machine to try on")
	f.BoolVar(&cfg.Systemd, "systemd", false, "bare hosts that boot systemd")
	f.StringArrayVar(&cfg.DaemonArgs, "daemon-arg", nil, "`argument` of every skep daemon, e.g. --log-level=debug; may be given several times")
	f.StringArrayVar(&cfg.EngineArgs, "engine-arg", nil, "`argument` of every Docker Engine; may be given several times")
	f.StringArrayVar(&cfg.Images, "image", nil, "`archive` made by docker save, loaded on every host; may be given several times")
	f.StringVar(&cfg.Whoami, "whoami", "", "static `program` for "+hosts.WhoamiImage+" (default: the file whoami beside skep, else skep itself)")
	return cmd
}

func downCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Take the lab away with all its data, also after a crash",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lab, err := hosts.Open(*dir)
			if errors.Is(err, hosts.ErrNoLab) {
				return output.Printf(cmd, "There is no lab in %s.\n", *dir)
			}
			if err != nil {
				return err
			}
			if err := lab.Down(cmd.Context()); err != nil {
				return err
			}
			return output.Printf(cmd, "The lab in %s is gone.\n", lab.Dir())
		},
	}
}
