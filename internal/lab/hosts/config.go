package hosts

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// DefaultDir keeps the lab nobody named a directory for.
const DefaultDir = "/var/lib/skep-lab"

// Limits of a lab. The addresses of a lab's network leave room for 90 managers and 150 workers; long before that the
// machine is full.
const (
	maxManagers = 9
	maxWorkers  = 100
)

// Config describes a lab.
type Config struct {
	// Dir holds the lab's state and all its hosts' data. It must not exist, or be empty.
	Dir               string
	Managers, Workers int
	// Subnet is the lab's network, a /24 that exists inside the lab only.
	Subnet netip.Prefix

	// Program is the skep program the hosts run; empty means this one. A test's own program is not it.
	Program string
	// DockerSwarm leaves skep out: the engines are in Docker's own swarm mode, to compare with.
	DockerSwarm bool
	// NoCluster leaves the hosts alone, without `docker swarm init`.
	NoCluster bool
	// Bare hosts run an SSH server and nothing else: no engine, no skep. Their /usr and /etc are their own, made of the
	// machine's. [Lab.Key], [Lab.KnownHosts] and [Lab.Inventory] are the ways in.
	Bare bool
	// Systemd are bare hosts that boot systemd, in a root of their own: /usr and /etc are made of the machine's.
	Systemd bool

	// EngineArgs and DaemonArgs are appended to every engine's and every skep daemon's command line.
	EngineArgs, DaemonArgs []string
	// Whoami is the program of the image skep/whoami:1; empty looks beside Program and falls back to Program itself.
	Whoami string
	// Images are archives made by `docker save`, loaded on every host.
	Images []string

	// Detached hosts outlive the process that makes them. Others end with it, however it ends.
	Detached bool
	// Progress, if there is one, is told what happens, a line at a time.
	Progress io.Writer `json:"-"`
}

// DefaultConfig is three managers and two workers.
func DefaultConfig() Config {
	return Config{Dir: DefaultDir, Managers: 3, Workers: 2, Subnet: netip.MustParsePrefix("10.77.0.0/24")}
}

// complete fills in what was left out and refuses what cannot be.
func (c Config) complete() (Config, error) {
	var err error
	if c.Dir == "" {
		c.Dir = DefaultDir
	}
	if c.Dir, err = resolve(c.Dir); err != nil {
		return c, err
	}
	if !c.Subnet.IsValid() {
		c.Subnet = DefaultConfig().Subnet
	}
	c.Subnet = c.Subnet.Masked()
	c.Bare = c.Bare || c.Systemd
	c.NoCluster = c.NoCluster || c.Bare
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	if c.Program == "" {
		if c.Program, err = os.Executable(); err != nil {
			return c, fmt.Errorf("finding the skep program: %w", err)
		}
	}
	return c, errors.Join(c.checkNumbers(), c.checkPlaces(), c.checkMachine())
}

// resolve gives a directory, which need not exist, the one name that hosts' processes are found by.
func resolve(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real, nil
	}
	if parent, err := filepath.EvalSymlinks(filepath.Dir(dir)); err == nil {
		return filepath.Join(parent, filepath.Base(dir)), nil
	}
	return dir, nil
}

func (c Config) checkNumbers() error {
	switch {
	case c.Managers < 1 || c.Managers > maxManagers:
		return fmt.Errorf("a lab has 1 to %d managers, not %d", maxManagers, c.Managers)
	case c.Workers < 0 || c.Workers > maxWorkers:
		return fmt.Errorf("a lab has 0 to %d workers, not %d", maxWorkers, c.Workers)
	case !c.Subnet.Addr().Is4() || c.Subnet.Bits() != 24:
		return fmt.Errorf("the lab's network %s is not an IPv4 /24", c.Subnet)
	}
	return nil
}

func (c Config) checkPlaces() error {
	for _, path := range []string{c.Dir, c.Program} {
		if strings.HasPrefix(path, "/run/") || strings.HasPrefix(path, "/var/run/") || strings.HasPrefix(path, "/proc/") {
			return fmt.Errorf("%s is hidden from the hosts, which have a /run of their own: choose another place", path)
		}
	}
	if c.Bare && (strings.HasPrefix(c.Dir, "/usr/") || strings.HasPrefix(c.Dir, "/etc/")) {
		return fmt.Errorf("the lab's directory %s is where bare hosts have files of their own made of the machine's: choose another place", c.Dir)
	}
	if c.Bare && c.DockerSwarm {
		return errors.New("bare hosts have no engines that could be in swarm mode: leave out one of both")
	}
	// Clients outside reach a host's sockets at DIR/NAME/run/skep/skep.sock, and such a path may have 107 bytes.
	if len(c.Dir) > 70 {
		return fmt.Errorf("the path of the lab's directory %s has %d bytes: sockets below it allow 70, choose a shorter one", c.Dir, len(c.Dir))
	}
	return nil
}

// checkMachine tells all that is missing at once.
func (c Config) checkMachine() error {
	var missing []string
	programs, packages := []string{"dockerd", "docker", "containerd", "runc", "ip", "nft", "iptables", "nsenter"}, "docker.io iproute2 nftables iptables util-linux"
	if c.Bare {
		programs, packages = append(programs, "sshd"), packages+" openssh-server"
	}
	if c.Systemd {
		programs, packages = append(programs, guest.Systemd), packages+" systemd"
	}
	for _, program := range programs {
		if _, err := findProgram(program); err != nil {
			missing = append(missing, program)
		}
	}
	switch {
	case os.Geteuid() != 0:
		return errors.New("a lab needs root: it makes namespaces and mounts")
	case len(missing) > 0:
		return fmt.Errorf("a lab needs programs that are not installed: %s (Debian: apt-get install %s)", strings.Join(missing, ", "), packages)
	}
	return nil
}

// findProgram looks where root's programs are, too: not every user's PATH leads there.
func findProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}
