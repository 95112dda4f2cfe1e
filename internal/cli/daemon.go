package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skep-org/skep/internal/node"
)

// section is a group of the daemon's flags under one heading of its help.
type section struct {
	title string
	flags *pflag.FlagSet
}

func daemonCommand(o Options) *cobra.Command {
	cfg := node.DefaultConfig()
	cfg.Version = o.Version
	sections := daemonFlags(&cfg)
	var configFile string
	cmd := &cobra.Command{
		Use:   "daemon",
		Short: "Run skep beside this machine's Docker Engine",
		Long: `Run skep beside this machine's Docker Engine.

The engine must not be in swarm mode itself. Stopping or upgrading the daemon
stops no container: it finds its own again when it starts.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := loadSettings(cmd.Flags(), configFile, cmd.ErrOrStderr()); err != nil {
				return err
			}
			if err := cfg.Validate(); err != nil {
				return fmt.Errorf("the daemon cannot start like this:\n%w", err)
			}
			if o.RunDaemon == nil {
				return errors.New("this build of skep has no daemon in it yet: only its settings were checked")
			}
			return o.RunDaemon(cmd.Context(), cfg)
		},
	}
	for _, s := range sections {
		cmd.Flags().AddFlagSet(s.flags)
	}
	cmd.Flags().StringVar(&configFile, configFlag, "", "`file` with settings (default "+defaultConfigFile+" if there is one)")
	cmd.SetUsageFunc(func(cmd *cobra.Command) error { return daemonUsage(cmd, sections) })
	return cmd
}

// daemonFlags binds every setting of a node to a flag; its help says what the user needs to know.
func daemonFlags(c *node.Config) []section {
	state := pflag.NewFlagSet("state", pflag.ContinueOnError)
	state.StringVar(&c.DataDir, "data-dir", c.DataDir, "`directory` that keeps the cluster's state; only root can read it")

	api := pflag.NewFlagSet("api", pflag.ContinueOnError)
	api.StringSliceVarP(&c.Hosts, "host", "H", c.Hosts, "`address` to serve the API at: unix:///path, tcp://address:port, or fd:// for systemd's sockets; may be given several times")
	api.StringVar(&c.SocketGroup, "socket-group", c.SocketGroup, "`group` that may use the Unix sockets, which is as good as being root")
	api.BoolVar(&c.TakeSocket, "take-socket", c.TakeSocket, "also own "+node.DockerSocket+", so that every client of this machine sees the cluster; the engine has to listen elsewhere (see --engine)")
	api.BoolVar(&c.TLSVerify, "tlsverify", c.TLSVerify, "demand a client certificate at tcp:// addresses")
	api.StringVar(&c.TLSCACert, "tlscacert", c.TLSCACert, "`file` with the authority that signed the clients' certificates")
	api.StringVar(&c.TLSCert, "tlscert", c.TLSCert, "`file` with the server's certificate")
	api.StringVar(&c.TLSKey, "tlskey", c.TLSKey, "`file` with the server's key")
	api.BoolVar(&c.InsecureTCP, "insecure-tcp-gives-root-to-anyone", c.InsecureTCP, "serve tcp:// addresses without asking who is there; whoever reaches the port is root on every node")

	engine := pflag.NewFlagSet("engine", pflag.ContinueOnError)
	engine.StringVar(&c.Engine, "engine", c.Engine, "`address` of this machine's Docker Engine")
	engine.StringVar(&c.PluginDir, "plugin-dir", c.PluginDir, "`directory` where the engine looks for the sockets of its plugins; skep's network plugin is served there")
	engine.StringVar(&c.DockerSocketMounts, "docker-socket-mounts", c.DockerSocketMounts, "`what` containers get that mount "+node.DockerSocket+": skep (its own socket, so that Traefik, Portainer and their like see the cluster) or engine")

	cluster := pflag.NewFlagSet("cluster", pflag.ContinueOnError)
	cluster.StringVar(&c.ListenAddr, "listen-addr", c.ListenAddr, "`address:port` where other nodes reach this one")
	cluster.StringVar(&c.AdvertiseAddr, "advertise-addr", c.AdvertiseAddr, "`address` told to other nodes: an address, an interface's name, either with :port (default: the address of the interface that has the default route)")
	cluster.DurationVar(&c.KeyRotation, "encryption-key-rotation", c.KeyRotation, "`time` for which a key is used on encrypted networks")

	registry := pflag.NewFlagSet("registry", pflag.ContinueOnError)
	registry.Func("registry-addr", "loopback `address:port` where the cluster's registry is served, the same on every node; off: not at all (default \""+c.RegistryAddr+"\")", func(v string) error {
		if c.RegistryAddr = v; v == "off" {
			c.RegistryAddr = ""
		}
		return nil
	})
	registry.IntVar(&c.RegistryCopies, "registry-copies", c.RegistryCopies, "on how many `nodes` what is pushed here is kept before the push is done")
	registry.StringSliceVar(&c.RegistryMirrors, "registry-mirror", c.RegistryMirrors, "`registry` whose images are fetched and kept, as mirror/REGISTRY/NAME: docker.io, or docker.io=URL where it is reached elsewhere; may be given several times")
	registry.StringVar(&c.RegistryMirrorCredentials, "registry-mirror-credentials", c.RegistryMirrorCredentials, "`file` with credentials for these, as docker login writes it")
	registry.DurationVar(&c.RegistryMirrorRevalidate, "registry-mirror-revalidate", c.RegistryMirrorRevalidate, "`time` for which their tags are believed without asking again")
	registry.StringVar(&c.RegistryMirrorAddr, "registry-mirror-addr", c.RegistryMirrorAddr, "loopback `address:port` where the mirror of docker.io is served without a credential, for the registry-mirrors of this machine's engine (default: nowhere)")

	logs := pflag.NewFlagSet("logs", pflag.ContinueOnError)
	logs.StringVar(&c.LogLevel, "log-level", c.LogLevel, "`level` of what is logged: debug, info, warn or error")
	logs.StringVar(&c.LogFormat, "log-format", c.LogFormat, "`format` of the log: text or json")
	logs.StringVar(&c.MetricsAddr, "metrics-addr", c.MetricsAddr, "`address:port` that serves Prometheus metrics (default: none)")

	return []section{{"State", state}, {"API", api}, {"Docker Engine", engine}, {"Other nodes", cluster}, {"Registry", registry}, {"Log and metrics", logs}}
}
