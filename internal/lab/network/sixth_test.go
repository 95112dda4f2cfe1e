package network

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// TestNodesByIPv6 has three managers that know each other by IPv6 addresses alone: an overlay, an encrypted network and the mesh
// go by these, and so does the next leader.
func TestNodesByIPv6(t *testing.T) {
	hoststest.NeedRoot(t)
	skep, whoami := *program, hoststest.Build(t, "whoami")
	if skep == "" {
		skep = hoststest.Build(t, "skep")
	}
	lab := hoststest.Up(t, hosts.Config{
		Managers: 3, Workers: 1, Subnet: netip.MustParsePrefix("10.81.0.0/24"), NoCluster: true, Program: skep, Whoami: whoami,
	})
	f := &fixture{lab, t, skep, whoami}
	sixth := func(host string) string { return lab.Host(host).Address6.String() }
	first := "[" + sixth("m1") + "]:2377"
	f.docker("m1", "swarm", "init", "--advertise-addr", first, "--listen-addr", "[::]:2377")
	token := f.docker("m1", "swarm", "join-token", "-q", "manager")
	for _, h := range []string{"m2", "m3"} {
		f.docker(h, "swarm", "join", "--advertise-addr", "["+sixth(h)+"]", "--listen-addr", "[::]:2377", "--token", token, first)
	}
	worker := f.docker("m1", "swarm", "join-token", "-q", "worker")
	f.refused("w1", "one version of IP", "swarm", "join", "--advertise-addr", lab.Host("w1").Address.String(), "--token", worker, first)
	if got := f.docker("m1", "node", "inspect", "--format", "{{.Status.Addr}} {{.ManagerStatus.Addr}}", "m2"); got != sixth("m2")+" ["+sixth("m2")+"]:2377" {
		t.Errorf("m2's addresses are %q", got)
	}

	f.overlay("inner")
	f.overlay("sealed", "--opt", "encrypted")
	f.service("web", "--mode", "global", "--network", "inner", "--network", "sealed", "--publish", "8080:8080", "--env", "TASK_NAME=web@{{.Node.Hostname}}")
	f.service("open", "--constraint", "node.hostname==m2", "--network", "inner")
	f.service("shut", "--constraint", "node.hostname==m2", "--network", "sealed")
	all := []string{"web@m1", "web@m2", "web@m3"}
	for _, from := range []string{"open", "shut"} {
		f.reachable(f.task("m2", from), "http://web:8080/who")
		f.answers(f.task("m2", from), 12, all, "http://web:8080/who", "udp://web:8080")
	}
	for from, mtu := range map[string]string{"open": "mtu 1430 ", "shut": "mtu 1420 "} {
		pid := f.docker("m2", "-H", engineSocket, "inspect", "--format", "{{.State.Pid}}", f.task("m2", from).container)
		if said := f.run("m2", "nsenter", "--net=/proc/"+pid+"/ns/net", "ip", "link"); !strings.Contains(said, mtu) {
			t.Errorf("the interfaces of %s by IPv6 are to have %s:\n%s", from, mtu, said)
		}
	}
	r := f.answers(outside(), 12, all, f.numeric([]string{"http://m1:8080/who", "http://m2:8080/who", "http://m3:8080/who"})...)
	for _, target := range r.Targets {
		if mine := f.Client().Address.String(); target.Remotes[mine] != target.Requests {
			t.Errorf("%s: the server took the client %s for %v", target.URL, mine, target.Remotes)
		}
	}
	f.checked("nodes by IPv6", settleLimit)

	f.must(lab.Host("m1").Kill(t.Context()))
	f.eventually(settleLimit, func() string {
		said, errs, err := f.try("m2", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
		if err != nil || strings.Count(said, "Ready") != 2 {
			return said + errs
		}
		return ""
	})
	f.docker("m2", "service", "update", "--detach", "--env-add", "AGAIN=1", "open")
	f.reachable(f.task("m3", "web"), "http://open:8080/who")
	f.answers(outside(), 6, []string{"web@m2", "web@m3"}, f.numeric([]string{"http://m3:8080/who"})...)
}
