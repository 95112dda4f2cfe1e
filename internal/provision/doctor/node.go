package doctor

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"github.com/skep-org/skep/internal/network"
)

// Limits of disks: below them images and the cluster's state soon find no room.
const (
	leastFree     = 512 << 20
	leastFreePart = 20 // one of so many
)

func disks(f Facts) []Finding {
	var all []Finding
	for _, d := range f.Disks {
		one := Finding{Why: "writes fail when it is full: a manager then stops, and images are not pulled", Mend: "docker system prune   # or make it larger: df -h " + d.Path}
		switch {
		case d.Total > 0 && d.Free < leastFree:
			one.What = fmt.Sprintf("the file system of %s has %s free of %s", d.Path, units.BytesSize(float64(d.Free)), units.BytesSize(float64(d.Total)))
		case d.Nodes > 0 && d.FreeNodes < d.Nodes/leastFreePart/5:
			one.What = fmt.Sprintf("the file system of %s has room for %d more files of %d", d.Path, d.FreeNodes, d.Nodes)
		case d.Total > 0 && d.Free < d.Total/leastFreePart:
			one.What = fmt.Sprintf("the file system of %s has %s free of %s", d.Path, units.BytesSize(float64(d.Free)), units.BytesSize(float64(d.Total)))
			one.Level = Doubtful
		default:
			continue
		}
		all = append(all, one)
	}
	return all
}

func engineMissing(f Facts) []Finding {
	switch {
	case f.Engine.Err == "":
		return nil
	case !f.Engine.Installed:
		return []Finding{{
			What: "there is no Docker Engine", Why: "it is what runs containers",
			Mend: "apt-get install docker.io   # on other systems: https://docs.docker.com/engine/install/",
		}}
	}
	return []Finding{{
		What: fmt.Sprintf("the Docker Engine does not answer at %s: %s", f.Engine.Address, f.Engine.Err), Why: "this node's containers cannot be started, stopped or looked at",
		Mend: "systemctl start docker   # and, if that fails: journalctl -u docker",
	}}
}

// Oldest engine that skep drives.
const oldestMajor, oldestMinor = 20, 10

func engine(f Facts) []Finding {
	var all []Finding
	if major, minor, ok := version(f.Engine.Version); ok && (major < oldestMajor || major == oldestMajor && minor < oldestMinor) {
		all = append(all, Finding{
			What: fmt.Sprintf("the Docker Engine is %s", f.Engine.Version), Why: fmt.Sprintf("skep needs %d.%d or later", oldestMajor, oldestMinor),
			Mend: "apt-get install docker.io   # on other systems: https://docs.docker.com/engine/install/",
		})
	}
	if s := f.Engine.Swarm; s != "" && s != "inactive" {
		all = append(all, Finding{
			What: "the engine is in swarm mode itself (" + s + ")", Why: "two swarms cannot share an engine, and the daemon refuses to start",
			Mend: fmt.Sprintf("docker -H %s swarm leave --force   # ends every service of that swarm: docs/migrate-from-swarm.md", f.Engine.Address),
		})
	}
	return all
}

func version(s string) (major, minor int, ok bool) {
	a, rest, _ := strings.Cut(s, ".")
	b, _, _ := strings.Cut(rest, ".")
	major, err1 := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(b)
	return major, minor, err1 == nil && err2 == nil
}

// ports are free, or skep's own: which one sees by a daemon that answers, or by networks that one has left.
func ports(f Facts) []Finding {
	if f.Daemon.Err == "" {
		return nil
	}
	var all []Finding
	for _, p := range f.Ports {
		if p.Err == "" || p.Network == "udp" && f.Overlay.Name != "" {
			continue
		}
		flag := "t"
		if p.Network == "udp" {
			flag = "u"
		}
		all = append(all, Finding{
			What: fmt.Sprintf("port %d/%s is taken: %s", p.Number, p.Network, p.Err), Why: "other nodes are to reach skep there",
			Mend: fmt.Sprintf("ss -ln%sp 'sport = :%d'   # shows which program; stop it", flag, p.Number),
		})
	}
	return all
}

func daemonMissing(f Facts) []Finding {
	switch {
	case f.Daemon.Err == "":
		return nil
	case !f.Daemon.Installed:
		return []Finding{{
			What: "no skep daemon is installed here", Why: "this host is no node",
			Mend: "skep machine create --host root@ADDRESS NAME   # from where you work: docs/machines.md",
		}}
	}
	return []Finding{{
		What: fmt.Sprintf("the skep daemon does not answer at %s: %s", f.Daemon.Address, f.Daemon.Err), Why: "its tasks run on, but nobody can change them, and after a while they are started elsewhere",
		Mend: "systemctl restart skep   # without systemd: /etc/init.d/skep restart; its log says why",
	}}
}

func daemon(f Facts) []Finding {
	d := f.Daemon
	switch d.State {
	case "locked":
		return []Finding{{What: "this manager is locked", Why: "it takes no part in its cluster until it has its key", Mend: "docker swarm unlock"}}
	case "pending":
		return []Finding{{
			What: "this node has not got into its cluster yet: " + cmp.Or(d.StateErr, "it waits for a manager"), Why: "no task is placed on it",
			Mend: "docker info   # tells more; docker swarm leave gives up",
		}}
	case "error":
		return []Finding{{What: "this node's part of the cluster is out of order: " + d.StateErr, Why: "no task is placed on it", Mend: "docker info   # and the daemon's log say what failed"}}
	}
	if d.State == "active" && d.StateErr != "" {
		return []Finding{{
			What: "the cluster does not answer: " + d.StateErr, Why: "services run on as they are, and cannot be changed",
			Mend: "docker node ls   # on each manager; a majority must be up and reach each other",
		}}
	}
	return nil
}

func managers(f Facts) []Finding {
	var all []Finding
	for _, m := range f.Managers {
		if m.Err == "" {
			continue
		}
		host, port, err := net.SplitHostPort(m.Addr)
		if err != nil {
			host = m.Addr
		}
		all = append(all, Finding{
			What: fmt.Sprintf("the manager at %s is not reached: %s", m.Addr, m.Err), Why: "nodes talk to managers there",
			Mend: fmt.Sprintf("nc -vz %s %s   # then open TCP port %s from this host in the firewalls between", host, cmp.Or(port, "2377"), cmp.Or(port, "2377")),
		})
	}
	return all
}

// leastMTU is what IPv6 asks of any link; below it an overlay has no room for usual packets.
const leastMTU = 1280

func mtu(f Facts) []Finding {
	switch {
	case f.Uplink.Name != "" && f.Uplink.MTU < leastMTU:
		return []Finding{{
			What: fmt.Sprintf("the interface %s carries packets of %d bytes only", f.Uplink.Name, f.Uplink.MTU), Why: "overlay networks lose what does not fit",
			Mend: fmt.Sprintf("ip link set %s mtu 1500", f.Uplink.Name),
		}}
	case f.Uplink.Name != "" && f.Overlay.Name != "" && f.Overlay.MTU+network.Overhead > f.Uplink.MTU:
		return []Finding{{
			What: fmt.Sprintf("the overlay's packets of %d bytes do not fit through %s, which carries %d, with their %d bytes of wrapping", f.Overlay.MTU, f.Uplink.Name, f.Uplink.MTU, network.Overhead),
			Why:  "large answers between nodes get lost, while small ones arrive",
			Mend: fmt.Sprintf("ip link set %s mtu %d   # or make the networks' MTU smaller: docs/networks.md", f.Uplink.Name, f.Overlay.MTU+network.Overhead),
		}}
	}
	return nil
}

// reach is what skep net check says, of this node and, on a manager, of all.
func reach(f Facts) []Finding {
	if f.NetErr != "" {
		return []Finding{{What: "the networks were not checked: " + f.NetErr, Why: "whether other nodes are reached is not known", Mend: "skep net check", Level: Doubtful}}
	}
	var all []Finding
	for _, n := range f.Nodes {
		if n.Err != "" {
			all = append(all, Finding{
				What: fmt.Sprintf("node %s was not checked: %s", n.Name, n.Err), Why: "whether it reaches the others is not known",
				Mend: "skep doctor   # on that node", Level: Doubtful,
			})
		}
		for _, one := range n.Findings {
			where, again := "node "+n.Name, "skep net check --node "+n.Name
			if n.Self {
				where, again = "this node", "skep net check"
			}
			all = append(all, Finding{
				What: fmt.Sprintf("%s: %s: %s", where, one.Object, one.Wrong), Why: one.Remedy,
				Mend: again + "   # shows it again",
			})
		}
	}
	return all
}
