package translate

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

// hostConfig is the part that depends on the node.
func hostConfig(in Input, spec *swarm.ContainerSpec) (*container.HostConfig, error) {
	t := in.Task
	bindings, err := portBindings(t)
	if err != nil {
		return nil, err
	}
	if onIngress(t) {
		bindings = nil // the data plane's matter
		if err := noHostIP(t); err != nil {
			return nil, err
		}
	}
	resources, err := resources(t.Spec.Resources)
	if err != nil {
		return nil, err
	}
	resources.Ulimits = spec.Ulimits
	hosts, err := extraHosts(spec.Hosts)
	if err != nil {
		return nil, err
	}
	security, err := securityOpts(in, spec.Privileges)
	if err != nil {
		return nil, err
	}
	h := &container.HostConfig{
		Resources:      resources,
		PortBindings:   bindings,
		GroupAdd:       spec.Groups,
		ReadonlyRootfs: spec.ReadOnly,
		Init:           spec.Init,
		Isolation:      spec.Isolation,
		Sysctls:        spec.Sysctls,
		CapAdd:         spec.CapabilityAdd,
		CapDrop:        spec.CapabilityDrop,
		OomScoreAdj:    int(spec.OomScoreAdj),
		SecurityOpt:    security,
		ExtraHosts:     hosts,
		LogConfig:      logConfig(t),
	}
	if dns := spec.DNSConfig; dns != nil {
		h.DNS, h.DNSSearch, h.DNSOptions = dns.Nameservers, dns.Search, dns.Options
	}
	beyond(t, h)
	mounts(in, spec, h)
	return h, nil
}

// logConfig is the service's log driver, else the cluster's, else the engine's own.
func logConfig(t *executor.Task) container.LogConfig {
	driver := cmp.Or(t.Spec.LogDriver, t.LogDriver)
	if driver == nil {
		return container.LogConfig{}
	}
	return container.LogConfig{Type: driver.Name, Config: driver.Options}
}

// extraHosts turns the format of hosts(5), "address name [aliases...]", into the engine's "name:address". Docker ignores
// the aliases; they are names of the same address, so they are kept here.
func extraHosts(hosts []string) ([]string, error) {
	var out []string
	for _, entry := range hosts {
		fields := strings.Fields(entry)
		if len(fields) < 2 {
			return nil, fmt.Errorf("host entry %q: it is an address and a name", entry)
		}
		for i := 1; i < len(fields); i++ {
			out = append(out, fields[i]+":"+fields[0])
		}
	}
	return out, nil
}

// smallestReservation is the least memory the engine lets a container reserve.
const smallestReservation = 6 << 20

func resources(r *swarm.ResourceRequirements) (container.Resources, error) {
	var out container.Resources
	if r == nil {
		return out, nil
	}
	if l := r.Limits; l != nil {
		out.NanoCPUs, out.Memory = l.NanoCPUs, l.MemoryBytes
		if l.Pids > 0 {
			out.PidsLimit = &l.Pids
		}
	}
	// The scheduler has set the memory aside; telling the kernel too is a help, so what the engine would refuse (too
	// little, or more than the limit) is left to the scheduler alone.
	if v := r.Reservations; v != nil && v.MemoryBytes >= smallestReservation && (out.Memory == 0 || v.MemoryBytes <= out.Memory) {
		out.MemoryReservation = v.MemoryBytes
	}
	if r.SwapBytes != nil {
		switch swap := *r.SwapBytes; {
		case out.Memory == 0:
			return out, errors.New("a swap limit needs a memory limit")
		case swap < -1:
			return out, errors.New("a swap limit is a number of bytes, or -1 for no limit")
		case swap == -1:
			out.MemorySwap = -1
		default:
			out.MemorySwap = out.Memory + swap // the engine counts both together
		}
	}
	if s := r.MemorySwappiness; s != nil && *s != -1 { // -1 takes back an earlier setting
		out.MemorySwappiness = s
	}
	return out, nil
}
