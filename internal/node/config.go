package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/network/dataplane"
	"github.com/skep-org/skep/internal/network/plugin"
	"github.com/skep-org/skep/internal/registry/mirror"
)

// Paths and addresses of a daemon nobody configured.
const (
	DefaultDataDir    = "/var/lib/skep"
	DefaultHost       = "unix:///run/skep/skep.sock"
	DefaultListenAddr = "0.0.0.0:2377"
	// DefaultRegistryAddr is one that Docker Engines trust without configuration, as they do every loopback address.
	DefaultRegistryAddr   = "127.0.0.1:5005"
	DefaultRegistryCopies = 2
	// DefaultMirrorRevalidate is short: asking for a tag costs other registries little.
	DefaultMirrorRevalidate = 5 * time.Minute
	// DockerSocket is where stock Docker Engines listen, and what containers that talk to Docker mount.
	DockerSocket = "/var/run/docker.sock"
)

// What a mount of DockerSocket in a service's container is given.
const (
	MountsGetSkep   = "skep"   // skep's socket: Traefik, Portainer and their like see the cluster
	MountsGetEngine = "engine" // the engine's own socket: the container sees one node, without services
)

// Config is everything a daemon is told when it starts. Its fields are set from flags, environment and file by package
// cli; their meaning for users is the flags' help.
type Config struct {
	// Version is what skep calls itself in /version and its log.
	Version string

	DataDir string
	// Hosts are where the API is served: unix:///path, tcp://address:port, or fd:// for the sockets systemd passes.
	Hosts []string
	// SocketGroup may use the Unix sockets besides root; when there is no such group, only root may.
	SocketGroup string
	// TLSVerify demands a client certificate signed by TLSCACert on tcp:// hosts.
	TLSVerify                  bool
	TLSCACert, TLSCert, TLSKey string
	// InsecureTCP serves tcp:// hosts without mutual TLS: whoever reaches the port has root on every node.
	InsecureTCP bool

	// Engine is the node's own Docker Engine.
	Engine string
	// PluginDir is where the engine looks for the sockets of its plugins.
	PluginDir string
	// TakeSocket serves the API at DockerSocket too, so that unconfigured clients reach skep.
	TakeSocket bool
	// DockerSocketMounts is MountsGetSkep or MountsGetEngine.
	DockerSocketMounts string

	// ListenAddr and AdvertiseAddr are for other nodes. An empty AdvertiseAddr is found out: the address of the interface
	// that has the default route. `docker swarm init` may say otherwise.
	ListenAddr, AdvertiseAddr string
	// KeyRotation is how long this node's key for encrypted networks is used.
	KeyRotation time.Duration

	// RegistryAddr is the loopback address:port where the cluster's registry is served; empty: not at all.
	RegistryAddr string
	// RegistryCopies is how many nodes are to have what is pushed to this one.
	RegistryCopies int
	// RegistryMirrors are other registries whose images are fetched and kept: HOST, or HOST=URL.
	RegistryMirrors []string
	// RegistryMirrorCredentials is a file with credentials for them, as docker login writes it; empty: none.
	RegistryMirrorCredentials string
	// RegistryMirrorRevalidate is how long their tags are believed without asking again.
	RegistryMirrorRevalidate time.Duration
	// RegistryMirrorAddr is the loopback address:port where docker.io's mirror is served to engines; empty: not at all.
	RegistryMirrorAddr string

	LogLevel, LogFormat string // debug, info, warn, error; text, json
	// MetricsAddr serves Prometheus metrics; empty means not at all.
	MetricsAddr string
}

// DefaultConfig is the configuration of a daemon started without any.
func DefaultConfig() Config {
	return Config{
		DataDir:            DefaultDataDir,
		Hosts:              []string{DefaultHost},
		SocketGroup:        "docker",
		Engine:             "unix://" + DockerSocket,
		PluginDir:          plugin.DefaultDir,
		DockerSocketMounts: MountsGetSkep,
		ListenAddr:         DefaultListenAddr,
		KeyRotation:        dataplane.DefaultRotation,
		RegistryAddr:       DefaultRegistryAddr,
		RegistryCopies:     DefaultRegistryCopies,

		RegistryMirrorRevalidate: DefaultMirrorRevalidate,

		LogLevel:  "info",
		LogFormat: "text",
	}
}

// Validate tells everything that is wrong with a configuration at once, naming the flags.
func (c Config) Validate() error {
	errs := []error{
		c.validateHosts(),
		c.validateEngine(),
		oneOf("--docker-socket-mounts", c.DockerSocketMounts, MountsGetSkep, MountsGetEngine),
		oneOf("--log-level", c.LogLevel, "debug", "info", "warn", "error"),
		oneOf("--log-format", c.LogFormat, "text", "json"),
		hostPort("--listen-addr", c.ListenAddr),
	}
	if c.RegistryAddr != "" {
		errs = append(errs, loopback("--registry-addr", c.RegistryAddr))
	}
	if c.RegistryCopies < 1 {
		errs = append(errs, fmt.Errorf("--registry-copies %d is not at least 1", c.RegistryCopies))
	}
	errs = append(errs, c.validateMirrors())
	if c.KeyRotation < time.Second {
		errs = append(errs, fmt.Errorf("--encryption-key-rotation %v is not at least 1s", c.KeyRotation))
	}
	if c.DataDir == "" {
		errs = append(errs, errors.New("--data-dir is empty: name the directory that keeps the cluster's state"))
	}
	if c.PluginDir == "" {
		errs = append(errs, errors.New("--plugin-dir is empty: name the directory where the engine looks for its plugins"))
	}
	if c.MetricsAddr != "" {
		errs = append(errs, hostPort("--metrics-addr", c.MetricsAddr))
	}
	if c.AdvertiseAddr != "" {
		errs = append(errs, advertisable(c.AdvertiseAddr))
	}
	return errors.Join(errs...)
}

func (c Config) validateMirrors() error {
	var errs []error
	upstreams, err := c.mirrors()
	if err != nil {
		errs = append(errs, err)
	}
	if len(upstreams) > 0 && c.RegistryAddr == "" {
		errs = append(errs, errors.New("--registry-mirror needs the cluster's registry, which --registry-addr turns off"))
	}
	if c.RegistryMirrorRevalidate < 0 {
		errs = append(errs, fmt.Errorf("--registry-mirror-revalidate %v is no time", c.RegistryMirrorRevalidate))
	}
	if c.RegistryMirrorAddr != "" {
		errs = append(errs, loopback("--registry-mirror-addr", c.RegistryMirrorAddr))
		if !slices.ContainsFunc(upstreams, func(u mirror.Upstream) bool { return u.Host == mirror.Hub }) {
			errs = append(errs, fmt.Errorf("--registry-mirror-addr serves the mirror of %s, which is not among --registry-mirror", mirror.Hub))
		}
	}
	return errors.Join(errs...)
}

// mirrors are the registries to mirror.
func (c Config) mirrors() ([]mirror.Upstream, error) {
	var list []mirror.Upstream
	for _, s := range c.RegistryMirrors {
		u, err := mirror.ParseUpstream(s)
		if err != nil {
			return nil, fmt.Errorf("--registry-mirror: %w", err)
		}
		list = append(list, u)
	}
	return list, nil
}

func (c Config) validateHosts() error {
	if len(c.Hosts) == 0 {
		return errors.New("no --host: nobody could reach the daemon; leave the flag out for " + DefaultHost)
	}
	var errs []error
	tcp := false
	for _, h := range c.Hosts {
		scheme, rest, ok := strings.Cut(h, "://")
		switch {
		case ok && scheme == "unix" && strings.HasPrefix(rest, "/"), h == "fd://":
		case ok && scheme == "tcp":
			tcp = true
			errs = append(errs, hostPort("--host tcp://", rest))
		default:
			errs = append(errs, fmt.Errorf("--host %q is none of unix:///path, tcp://address:port and fd://", h))
		}
	}
	if tcp {
		errs = append(errs, c.validateTLS())
	}
	return errors.Join(errs...)
}

// validateTLS refuses what would give root on every node to whoever reaches a TCP port.
func (c Config) validateTLS() error {
	switch {
	case c.TLSVerify && (c.TLSCACert == "" || c.TLSCert == "" || c.TLSKey == ""):
		return errors.New("--tlsverify needs --tlscacert, --tlscert and --tlskey")
	case c.TLSVerify || c.InsecureTCP:
		return nil
	default:
		return errors.New("a tcp:// host without mutual TLS gives root on every node to whoever reaches the port: " +
			"set --tlsverify with --tlscacert, --tlscert and --tlskey, or " +
			"--insecure-tcp-gives-root-to-anyone if the network really is yours alone")
	}
}

func (c Config) validateEngine() error {
	scheme, path, ok := strings.Cut(c.Engine, "://")
	if !ok || scheme != "unix" || !strings.HasPrefix(path, "/") {
		return fmt.Errorf("--engine %q is not unix:///path: skep runs beside its engine, on the same machine", c.Engine)
	}
	if c.TakeSocket && samePath(path, DockerSocket) {
		return fmt.Errorf("--take-socket makes %s skep's own, so the engine has to listen elsewhere: "+
			"start it with -H unix:///run/docker-engine.sock and skep with --engine unix:///run/docker-engine.sock", DockerSocket)
	}
	if slices.Contains(c.Hosts, c.Engine) {
		return fmt.Errorf("--engine and --host are both %s: skep would ask itself", c.Engine)
	}
	return nil
}

// samePath knows that /var/run is /run on every current system.
func samePath(a, b string) bool {
	return strings.TrimPrefix(a, "/var") == strings.TrimPrefix(b, "/var")
}

func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s %q is none of %s", flag, value, strings.Join(allowed, ", "))
}

func hostPort(flag, value string) error {
	if _, port, err := net.SplitHostPort(value); err != nil || port == "" {
		return fmt.Errorf("%s %q is not address:port", flag, value)
	}
	return nil
}

// loopback accepts what no other machine reaches, and engines trust.
func loopback(flag, value string) error {
	if ap, err := netip.ParseAddrPort(value); err != nil || !ap.Addr().IsLoopback() || ap.Port() == 0 {
		return fmt.Errorf("%s %q is no loopback address with a port, such as %s", flag, value, DefaultRegistryAddr)
	}
	return nil
}

// advertisable accepts what other nodes can reach: an address with or without a port, or an interface's name.
func advertisable(value string) error {
	host := value
	if h, _, err := net.SplitHostPort(value); err == nil {
		host = h
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsUnspecified() {
		return fmt.Errorf("--advertise-addr %q is every address of this machine: name the one other nodes reach it at", value)
	}
	return nil
}
