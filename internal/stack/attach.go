package stack

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
)

const defaultNetwork = "default"

// attachments are the networks of a service, by their names in the cluster, and the names it has there.
func (s *service) attachments() []swarm.NetworkAttachmentConfig {
	if s.NetworkMode != "" {
		return s.networkMode()
	}
	networks := s.Networks
	if len(networks) == 0 {
		networks = map[string]*attachment{defaultNetwork: nil}
	}
	out := make([]swarm.NetworkAttachmentConfig, 0, len(networks))
	for _, key := range slices.Sorted(maps.Keys(networks)) {
		one := swarm.NetworkAttachmentConfig{Target: s.networkName(key)}
		n := networks[key]
		if n != nil {
			one.Aliases, one.DriverOpts = slices.Clone(n.Aliases), n.DriverOpts
		}
		if userDefined(one.Target) && n.ServiceNameAliasEnabled() {
			one.Aliases = append(one.Aliases, s.name)
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b swarm.NetworkAttachmentConfig) int { return cmp.Compare(a.Target, b.Target) })
	return out
}

// networkMode reads the key as the network of the engine that it means.
func (s *service) networkMode() []swarm.NetworkAttachmentConfig {
	mode := s.NetworkMode
	kind, other, _ := strings.Cut(mode, ":")
	switch {
	case mode == "host", mode == "bridge":
		s.note("network_mode", "read as the engine's network %s", mode)
		return []swarm.NetworkAttachmentConfig{{Target: mode}}
	case mode == "none":
		s.refuse("network_mode", "a service is on at least one network: give it one with internal: true that nothing else is on")
	case kind == "service", kind == "container":
		s.refuse("network_mode", "a task cannot share the network of %s, which may be on another node: put both on a network, or into one container", other)
	default:
		s.refuse("network_mode", "%q is no network of the engine that services may be on: list it below networks", mode)
	}
	return nil
}

// networks are those that services are on.
func (c *converter) networks() {
	used := map[string]bool{}
	for _, s := range c.Project.Services {
		if s.NetworkMode != "" {
			continue
		}
		if len(s.Networks) == 0 {
			used[defaultNetwork] = true
		}
		for key := range s.Networks {
			used[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(used)) {
		declared := c.Project.Networks[key]
		one := Network{External: bool(declared.External), Create: network.CreateRequest{Name: c.networkName(key)}}
		if !one.External {
			c.create(&one.Create, key)
		}
		c.stack.Networks = append(c.stack.Networks, one)
	}
}

func (c *converter) networkName(key string) string {
	return cmp.Or(c.Project.Networks[key].Name, scoped(c.stack.Name, key))
}

// userDefined tells networks that know aliases from those every engine has.
func userDefined(name string) bool {
	switch name {
	case "bridge", "host", "none", "default":
		return false
	}
	return !strings.HasPrefix(name, "container:")
}
