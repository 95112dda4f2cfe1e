package hosts

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
)

// Role says what a machine of the lab is for.
type Role string

// The roles. Hosts are managers and workers.
const (
	Manager   Role = "manager"
	Worker    Role = "worker"
	Outside   Role = "client" // no engine, no daemon: where users of the cluster's services are
	theSwitch Role = "switch"
)

// Names of the machines that are no hosts.
const (
	ClientName = "client"
	switchName = "switch"
)

// machine is one of the lab's machines as planned; nothing of it changes while the lab lives.
type machine struct {
	Name    string
	Role    Role
	Address netip.Addr
}

// address6 is the machine's IPv6 address, which has the same digits at its end: 10.77.0.11 has fd77::11 beside it. Labs'
// networks do not meet, so all of them are fd77::/64.
func (m machine) address6() netip.Addr {
	last := m.Address.As4()[3]
	return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 14: last / 100, 15: last/10%10<<4 | last%10})
}

// host tells whether the machine has an engine.
func (m machine) host() bool { return m.Role == Manager || m.Role == Worker }

// strict tells whether the host refuses packets whose answers would leave through another device. Distributions differ,
// so every second host does.
func (m machine) strict() bool { return m.Address.As4()[3]%2 == 0 }

// mac is made of the address: after a restart it is the same, and no neighbour's table is out of date.
func (m machine) mac() string {
	a := m.Address.As4()
	return fmt.Sprintf("02:77:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3])
}

// plan lists a lab's machines: the switch first, hosts from .11 (managers) and .101 (workers) on, the client last.
func plan(c Config) []machine {
	address := func(last int) netip.Addr {
		b := c.Subnet.Addr().As4()
		b[3] = byte(last)
		return netip.AddrFrom4(b)
	}
	all := []machine{{switchName, theSwitch, address(1)}}
	for i := 1; i <= c.Managers; i++ {
		all = append(all, machine{fmt.Sprintf("m%d", i), Manager, address(10 + i)})
	}
	for i := 1; i <= c.Workers; i++ {
		all = append(all, machine{fmt.Sprintf("w%d", i), Worker, address(100 + i)})
	}
	return append(all, machine{ClientName, Outside, address(2)})
}

// etcHosts is the /etc/hosts of every machine of the lab.
func etcHosts(all []machine) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
	for _, m := range all {
		fmt.Fprintf(&b, "%s %s\n", m.Address, m.Name)
	}
	return b.String()
}

// places are the files below a machine's directory, besides those of package guest.
type places string

func (p places) engineData() string { return filepath.Join(string(p), "docker") }
func (p places) daemonData() string { return filepath.Join(string(p), "skep") }
func (p places) lock() string       { return filepath.Join(string(p), "lock") }

// run leads to the running machine's /run, for clients outside.
func (p places) run() string { return filepath.Join(string(p), "run") }

// Sockets as programs on a host see them, and below places.run.
const (
	engineSocket = "docker.sock"
	skepSocket   = "skep/skep.sock"
)
