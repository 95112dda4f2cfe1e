package kernel

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// busy is a world of two nodes with everything on them: an overlay with a balanced service, a published port.
func busy(t *testing.T) (w *world, a, b *container) {
	t.Helper()
	w = newWorld(t, 2)
	web := w.service(1, "red", "10.100.2.9")
	w.on("ingress", func(n *network.Network) {
		n.Services[web] = &network.Service{ID: web, Name: "web", Ports: ports(8080, 80)}
	})
	w.service(2, "ingress", "", ports(8081, 80)...)
	a, b = w.run(w.nodes[0], web, "red", "ingress"), w.run(w.nodes[1], web, "red", "ingress")
	serve(t, a.space, "a", 80)
	serve(t, b.space, "b", 80)
	w.sync()
	w.check()
	return w, a, b
}

// works looks that everything of a busy world is reachable.
func (w *world) works(t *testing.T, a, b *container) {
	t.Helper()
	for _, c := range []*container{a, b} {
		names, _ := reach(t, c.space, "10.100.2.9:80", 2)
		require.Equal(t, map[string]int{"a": 2, "b": 2}, names)
	}
	for _, n := range w.nodes {
		names, _ := reach(t, w.client, n.underlay.String()+":8080", 2)
		require.Equal(t, map[string]int{"a": 2, "b": 2}, names)
	}
}

func TestRepair(t *testing.T) {
	w, a, b := busy(t)
	n := w.nodes[0]
	red := filepath.Join(n.path+".netns", w.net("red").ID.String())
	inRed := func(args ...string) { n.k.spaces[w.net("red").ID].exec(t, args...) }
	link := network.LinkName(w.net("red").ID, a.id)
	entry := network.LinkName(w.net("ingress").ID, a.id)
	for _, c := range []struct {
		name, says string
		harm       func()
	}{
		{"host rules flushed", "host: table of rules missing", func() { n.exec("nft", "flush", "ruleset") }},
		{"an engine that starts again makes its chains", "host: firewall accept missing", n.firewall},
		{"a host rule deleted", "host: table of rules missing", func() { n.exec("nft", "flush", "chain", "ip", "skep", "postrouting") }},
		{"a host rule added", "host: table of rules missing", func() { n.exec("nft", "add", "rule", "ip", "skep", "forward", "drop") }},
		{"a published port's chain emptied", "host: published port 8080/tcp → [10.255.0.101:80 10.255.0.102:80] differs",
			func() { n.exec("nft", "flush", "chain", "ip", "skep", "tcp_8080") }},
		{"a published port taken from the set", "host: published port 8080/udp",
			func() { n.exec("nft", "delete", "element", "ip", "skep", "published", "{ udp . 8080 }") }},
		{"a member lost", "host: member 192.0.2.2 missing",
			func() { n.exec("nft", "delete", "element", "ip", "skep", "members", "{ 192.0.2.2 }") }},
		{"a member too many", "host: member 192.0.2.77 extra",
			func() { n.exec("nft", "add", "element", "ip", "skep", "members", "{ 192.0.2.77 }") }},
		{"a container's rules flushed", "rules missing", func() { a.exec(t, "nft", "flush", "ruleset") }},
		{"a container's balancer emptied", "virtual address 10.100.2.9 → [10.100.2.101 10.100.2.102] differs",
			func() { a.exec(t, "nft", "flush", "chain", "ip", "skep", "vip_10.100.2.9") }},
		{"a container's address taken from the set", "rules differs",
			func() { a.exec(t, "nft", "delete", "element", "ip", "skep", "vips", "{ 10.100.2.9 }") }},
		{"the engine's user chain flushed", "host: firewall accept missing", func() { n.exec("iptables", "-F", "DOCKER-USER") }},
		{"a return before the accepts", "host: firewall accept missing", func() { n.exec("iptables", "-I", "DOCKER-USER", "-j", "RETURN") }},
		{"policy rules deleted", "host: policy rule", func() { n.exec("ip", "rule", "del", "pref", "5000") }},
		{"a return route deleted", "host: return route", func() { n.exec("ip", "route", "flush", "table", "1558773762") }},
		{"the routes flushed", "host: route 10.255.0.102/32 via 10.255.0.2 on skep-ingress missing", func() { n.exec("ip", "route", "flush", "proto", "92") }},
		{"the ingress interface down", "host: vxlan", func() { n.exec("ip", "link", "set", "skep-ingress", "down") }},
		{"the ingress interface deleted", "host: vxlan", func() { n.exec("ip", "link", "del", "skep-ingress") }},
		{"its address deleted", "host: vxlan", func() { n.exec("ip", "addr", "flush", "dev", "skep-ingress") }},
		{"its settings changed", "host: vxlan", func() { n.exec("sysctl", "-w", "net.ipv4.conf.skep-ingress.route_localnet=0") }},
		{"forwarding off", "host: sysctl net/ipv4/ip_forward=1 differs", func() { n.exec("sysctl", "-w", "net.ipv4.ip_forward=0") }},
		{"the ingress forwarding entries deleted", "host: fdb entry 02:42:0a:ff:00:02 at 192.0.2.2 missing",
			func() { n.exec("bridge", "fdb", "del", "02:42:0a:ff:00:02", "dev", "skep-ingress") }},
		{"a forwarding entry deleted", "fdb entry 02:42:0a:64:02:66 at 192.0.2.2 missing",
			func() { inRed("bridge", "fdb", "del", "02:42:0a:64:02:66", "dev", "vxlan0") }},
		{"a forwarding entry that leads elsewhere", "fdb entry 02:42:0a:64:02:66 at 192.0.2.2 differs",
			func() { inRed("bridge", "fdb", "replace", "02:42:0a:64:02:66", "dev", "vxlan0", "dst", "192.0.2.9") }},
		{"a forwarding entry too many", "fdb entry 02:42:0a:64:02:09 at 192.0.2.2 extra",
			func() { inRed("bridge", "fdb", "add", "02:42:0a:64:02:09", "dev", "vxlan0", "dst", "192.0.2.2") }},
		{"neighbours flushed", "neighbour 10.100.2.102 is 02:42:0a:64:02:66 missing",
			func() { inRed("ip", "neigh", "flush", "dev", "vxlan0", "nud", "permanent") }},
		{"the vxlan deleted", "vxlan", func() { inRed("ip", "link", "del", "vxlan0") }},
		{"the bridge deleted", "bridge 10.100.2.1/24 mtu 1450 missing", func() { inRed("ip", "link", "del", "bridge0") }},
		{"the gateway's address deleted", "bridge", func() { inRed("ip", "addr", "flush", "dev", "bridge0") }},
		{"a container's link deleted", "link " + link + " of 10.100.2.101/24 missing", func() { inRed("ip", "link", "del", link) }},
		{"a container's link off the bridge", "link " + link, func() { inRed("ip", "link", "set", link, "nomaster") }},
		{"a container's ingress link deleted", "link " + entry + " of 10.255.0.101/16 missing", func() { n.exec("ip", "link", "del", entry) }},
		{"the namespace unbound", "namespace missing", func() {
			require.NoError(t, unix.Unmount(red, unix.MNT_DETACH))
			require.NoError(t, os.Remove(red))
		}},
		{"the namespace gone for good", "namespace missing", func() {
			require.NoError(t, n.k.Close())
			require.NoError(t, unix.Unmount(red, unix.MNT_DETACH))
			n.start()
			require.Eventually(t, func() bool { l, err := a.link("eth0"); return l == nil && err == nil }, patience, impatience/10)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.harm()
			drift, err := n.k.Audit(t.Context(), n.plan())
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(drift, func(d network.Drift) bool { return strings.Contains(d.String(), c.says) }),
				"%v does not say %q", drift, c.says)
			n.sync()
			drift, err = n.k.Audit(t.Context(), n.plan())
			require.NoError(t, err)
			require.Empty(t, drift)
			w.works(t, a, b)
		})
	}
}

// TestUsersFirewallRules: what a user puts first stays first.
func TestUsersFirewallRules(t *testing.T) {
	w, _, _ := busy(t)
	w.nodes[0].exec("iptables", "-I", "DOCKER-USER", "-s", "203.0.113.0/24", "-j", "DROP")
	w.check()
}

func TestRestartChangesNothing(t *testing.T) {
	w, a, b := busy(t)
	for _, n := range w.nodes {
		require.NoError(t, n.k.Close())
		n.start()
		n.want = nil
		n.sync()
		require.Zero(t, n.k.Changes())
		require.True(t, n.k.Programmed(n.boxes[0].Key))
	}
	w.works(t, a, b)
	w.check()
}

func TestPurge(t *testing.T) {
	w, _, _ := busy(t)
	n := newWorld(t, 1).nodes[0] // never had anything
	used := w.nodes[0]
	require.NoError(t, used.k.Purge(context.Background()))
	look := func(n *node) map[string]string {
		seen := map[string]string{}
		for _, cmd := range []string{
			"nft list tables ip", "ip rule", "iptables -S", "sysctl net.ipv4.conf.all.send_redirects",
			"ip -br link", "ip route show table all proto 92",
		} {
			seen[cmd] = n.exec(strings.Fields(cmd)...)
		}
		seen["ip -br link"] = strings.Join(slices.Collect(linkNames(seen["ip -br link"])), " ")
		files, err := os.ReadDir(n.path + ".netns")
		require.NoError(t, err)
		for _, f := range files {
			seen["file "+f.Name()] = "is left"
		}
		return seen
	}
	require.Equal(t, look(n), look(used))
	require.NoError(t, used.k.Purge(context.Background()), "a second time")
	w.nodes = w.nodes[1:]
	w.check()
}

func linkNames(list string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(list) {
			name, _, _ := strings.Cut(strings.Fields(line)[0], "@")
			if !yield(name) {
				return
			}
		}
	}
}

func TestListen(t *testing.T) {
	w, a, _ := busy(t)
	n := w.nodes[0]
	pc, ln, err := n.k.Listen(t.Context(), w.net("red").ID, netipPort("10.100.2.1:53"))
	require.NoError(t, err)
	defer func() { _, _ = pc.Close(), ln.Close() }()
	c, err := dial(a.space, "tcp", "10.100.2.1:53", patience)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	got, err := ln.Accept()
	require.NoError(t, err)
	require.Equal(t, "10.100.2.101", got.RemoteAddr().(*net.TCPAddr).IP.String())
	require.NoError(t, got.Close())
	_, _, err = n.k.Listen(t.Context(), id(77), netipPort("10.100.2.1:53"))
	require.ErrorContains(t, err, "no namespace on this node")
}

// TestIngressRemovedMeanwhile: the ingress network was removed while no skep ran. Nothing of it stays.
func TestIngressRemovedMeanwhile(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	w.service(2, "ingress", "", ports(8081, 80)...)
	w.sync()
	require.NoError(t, n.k.Close())
	n.start()
	gone := w.net("ingress").ID
	w.change(func(f *network.Fabric) { delete(f.Networks, gone) })
	w.sync()
	l, err := n.link(network.IngressLink)
	require.NoError(t, err)
	require.Nil(t, l)
	require.NotContains(t, n.exec("ip", "route"), "10.255")
	require.NotContains(t, n.exec("ip", "rule"), "10.255")
	w.check()
	w.network("next", ingressSubnet, true)
	w.sync()
	w.check()
}
