package translate

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

// beyond adds what a service's labels ask for: that they may was decided before.
func beyond(t *executor.Task, h *container.HostConfig) {
	b := t.Beyond
	if b == nil {
		return
	}
	h.Privileged = b.Privileged
	h.Devices = slices.Clone(b.Devices)
	h.DeviceRequests = slices.Clone(b.GPUs)
	h.SecurityOpt = append(h.SecurityOpt, b.SecurityOpt...)
	h.ShmSize = b.ShmSize
}

// hostIP is the address of the node that a port is published on; the zero one stands for all.
func hostIP(t *executor.Task, p swarm.PortConfig) netip.Addr {
	return t.Beyond.HostIP(p.PublishedPort, string(p.Protocol))
}

// noHostIP refuses what would be published on every address of the node: the data plane knows no single ones.
func noHostIP(t *executor.Task) error {
	for _, p := range t.Ports {
		if a := hostIP(t, p); a.IsValid() {
			return fmt.Errorf("port %d cannot be published on %s alone: its service has ports in the routing mesh, too, and then all of them are published on all addresses of the node", p.PublishedPort, a)
		}
	}
	return nil
}
