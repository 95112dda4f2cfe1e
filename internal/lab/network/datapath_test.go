package network

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/guest"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// TestDataPath has hosts on two networks. What the cluster's nodes say to each other takes the one, what containers say the
// other, and nothing of an overlay passes where it should not: that network loses it.
func TestDataPath(t *testing.T) {
	hoststest.NeedRoot(t)
	skep, whoami := *program, hoststest.Build(t, "whoami")
	if skep == "" {
		skep = hoststest.Build(t, "skep")
	}
	lab := hoststest.Up(t, hosts.Config{
		Managers: 1, Workers: 1, Subnet: netip.MustParsePrefix("10.79.0.0/24"), NoCluster: true, Program: skep, Whoami: whoami,
	})
	f := &fixture{lab, t, skep, whoami}
	data := func(host string) string {
		last := lab.Host(host).Address.As4()[3]
		return fmt.Sprintf("10.80.0.%d", last)
	}
	for _, h := range lab.Hosts() {
		f.run(h.Name, "ip", "addr", "add", data(h.Name)+"/24", "dev", guest.Link)
		f.run(h.Name, "nft", "add table ip test; add chain ip test out { type filter hook output priority 0; }; "+
			"add rule ip test out ip daddr 10.79.0.0/24 udp dport 4789 drop")
	}
	manager := lab.Host("m1").Address.String()
	f.docker("m1", "swarm", "init", "--advertise-addr", manager, "--data-path-addr", data("m1"))
	token := f.docker("m1", "swarm", "join-token", "-q", "worker")
	f.docker("w1", "swarm", "join", "--advertise-addr", lab.Host("w1").Address.String(), "--data-path-addr", data("w1"), "--token", token, manager+":2377")

	f.overlay("inner")
	f.service("web", "--constraint", "node.role==worker", "--network", "inner", "--publish", "8080:8080")
	f.service("caller", "--constraint", "node.role==manager", "--network", "inner")
	f.reachable(f.task("m1", "caller"), "http://web:8080/who", "udp://web:8080")
	f.reachable(outside(), "http://"+manager+":8080/who") // by way of the mesh: the task is on w1
	if out := f.run("m1", "ip", "-details", "link", "show", "type", "vxlan"); !strings.Contains(out, "local "+data("m1")) {
		t.Errorf("the mesh's packets are not sent from %s:\n%s", data("m1"), out)
	}
}
