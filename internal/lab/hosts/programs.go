package hosts

import (
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// Programs of a host, as its logs and [Host.Signal] name them.
const (
	Engine = "dockerd"
	Daemon = "skep"
	Boot   = "init" // the first process, which has a log but is no program one may signal
)

// clusterPort is where nodes of a cluster reach each other.
const clusterPort = 2377

func prefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 24) }

// programs are what runs on a host: the engine and, unless the engines are a swarm themselves, skep. They start at the
// same time, as on a machine that boots; each copes with the other not being there yet.
func (l *Lab) programs(m machine) []guest.Program {
	if l.cfg.Bare {
		return l.barePrograms(m)
	}
	at := places(l.machineDir(m.Name))
	engine := append([]string{
		"dockerd", "--data-root", at.engineData(), "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid",
		"--host", "unix:///run/" + engineSocket,
		// The parent makes what is left of control groups findable; cgroupfs because no systemd is in these namespaces.
		"--cgroup-parent", l.cgroup() + "/" + m.Name, "--exec-opt", "native.cgroupdriver=cgroupfs",
	}, l.cfg.EngineArgs...)
	all := []guest.Program{{Name: Engine, Argv: engine}}
	if l.cfg.DockerSwarm {
		return all
	}
	address := fmt.Sprintf("%s:%d", m.Address, clusterPort)
	daemon := append([]string{
		l.cfg.Program, "daemon", "--config", filepath.Join(string(at), guest.Settings), "--data-dir", at.daemonData(),
		"--host", "unix:///run/" + skepSocket, "--engine", "unix:///run/" + engineSocket,
		"--listen-addr", address, "--advertise-addr", address,
	}, l.cfg.DaemonArgs...)
	return append(all, guest.Program{Name: Daemon, Argv: daemon})
}
