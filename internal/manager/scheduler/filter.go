package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/constraint"
)

// filter is one reason a node cannot take a task. They are asked in this order, and the first one that refuses is
// the one that is counted.
type filter int

const (
	filterReady filter = iota
	filterResources
	filterEncryption
	filterSilence
	filterPlugins
	filterConstraints
	filterPlatforms
	filterPorts
	filterReplicas
	filterVolumes
	filterCount
	fits filter = -1
)

// refusals counts the nodes each filter refused.
type refusals [filterCount]int

// refuses returns the filter that refuses the node a task, or fits.
func (n *node) refuses(d *demand) filter {
	switch {
	case !n.ready:
		return filterReady
	case !n.room.Fits(&d.resources):
		return filterResources
	case d.encrypted && n.carries != carried:
		return n.carries.refusal()
	case !n.hasPlugins(d.plugins):
		return filterPlugins
	case d.impossible || !constraint.Match(d.constraints, n.attrs):
		return filterConstraints
	case !n.hasPlatform(d.platforms):
		return filterPlatforms
	case !n.hasPorts(d.ports):
		return filterPorts
	case !n.hasReplicas(d):
		return filterReplicas
	}
	return fits
}

// takes is refuses for a node of a class that suits: only what tasks take of each node, and what is asked of each by itself,
// can be in the way.
func (n *node) takes(d *demand) bool {
	return n.ready && n.room.Fits(&d.resources) && constraint.Match(d.personal, n.attrs) && n.hasPorts(d.ports) && n.hasReplicas(d)
}

// hasReplicas reports whether a service may have one more task on the node.
func (n *node) hasReplicas(d *demand) bool {
	return d.maxReplicas == 0 || uint64(d.present.on(n)) < d.maxReplicas
}

// hasPlugins trusts an agent that lists no plugins of a type: it has not said.
func (n *node) hasPlugins(ask []plugin) bool {
	for _, p := range ask {
		if n.pluginTypes[p.kind] && !n.plugins[p] {
			return false
		}
	}
	return true
}

// hasPlatform reports whether the image is built for the node; an image that names nothing runs anywhere.
func (n *node) hasPlatform(ask []swarm.Platform) bool {
	for _, p := range ask {
		if (p.Architecture == "" || goArch(p.Architecture) == goArch(n.attrs.Arch)) && (p.OS == "" || p.OS == n.attrs.OS) {
			return true
		}
	}
	return len(ask) == 0
}

// goArch gives the names kernels use the form images use.
func goArch(arch string) string {
	switch arch {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return arch
}

func (n *node) hasPorts(ask []hostPort) bool {
	for _, p := range ask {
		if n.ports[p] > 0 {
			return false
		}
	}
	return true
}

func orTCP(p swarm.PortConfig) network.IPProtocol {
	return cmp.Or(p.Protocol, network.TCP)
}

// String is the refusals in Docker's words, the most frequent first.
func (r refusals) String() string {
	order := make([]filter, 0, filterCount)
	for f := range filterCount {
		if r[f] > 0 {
			order = append(order, f)
		}
	}
	slices.SortStableFunc(order, func(a, b filter) int { return cmp.Compare(r[b], r[a]) })
	words := make([]string, len(order))
	for i, f := range order {
		words[i] = f.explain(r[f])
	}
	return strings.Join(words, "; ")
}

func (f filter) explain(nodes int) string {
	on := fmt.Sprintf("%d nodes", nodes)
	if nodes == 1 {
		on = "1 node"
	}
	switch f {
	case filterReady:
		return on + " not available for new tasks"
	case filterResources:
		return "insufficient resources on " + on
	case filterEncryption:
		return "encrypted networks cannot be carried on " + on + " (no TUN device and no WireGuard in the kernel)"
	case filterSilence:
		return on + " said nothing of encrypted networks (an older skep, or its networks have not come up: skep net check --all)"
	case filterPlugins:
		return "missing plugin on " + on
	case filterConstraints:
		return "scheduling constraints not satisfied on " + on
	case filterPlatforms:
		return "unsupported platform on " + on
	case filterVolumes:
		return "cannot fulfill requested CSI volume mounts on " + on
	case filterPorts:
		return "host-mode port already in use on " + on
	}
	return "max replicas per node limit exceed"
}
