package attach

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/network"
)

// Place is a cluster network as a container's request is rewritten for it.
type Place struct {
	Name    string       // the engine's network that carries it has the same
	Subnet  netip.Prefix // invalid: the engine hands out addresses itself
	Gateway netip.Addr
}

// PlaceOf is a network's place. Networks of other drivers than overlay are the engine's to address and to answer for.
func PlaceOf(net executor.Network) Place {
	p := Place{Name: net.Name}
	if subnet, err := netip.ParsePrefix(net.Subnet); err == nil && net.Overlay() {
		p.Subnet = subnet.Masked()
		p.Gateway, _ = netip.ParseAddr(net.Gateway)
	}
	return p
}

// Networks are those a new container is to join by what their user calls them, less those that no cluster has.
func Networks(body []byte) []string {
	top := objectOf(body)
	names := slices.Collect(maps.Keys(top.object("NetworkingConfig").object("EndpointsConfig")))
	if mode := top.object("HostConfig").text("NetworkMode"); mode != "" {
		names = append(names, mode)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), predefined)
}

func predefined(name string) bool {
	switch name {
	case "", "default", "bridge", "host", "none":
		return true
	}
	return strings.HasPrefix(name, "container:")
}

// Create rewrites the request for a container that is to join the cluster networks in places, by what its user calls
// them.
func Create(body []byte, places map[string]Place) ([]byte, error) {
	if len(places) == 0 {
		return body, nil
	}
	top := objectOf(body)
	host, networking := top.object("HostConfig"), top.object("NetworkingConfig")
	endpoints := networking.object("EndpointsConfig")
	mode := host.text("NetworkMode")
	ask := places[mode].Gateway
	for _, ref := range slices.Sorted(maps.Keys(places)) {
		p := places[ref]
		if !ask.IsValid() {
			ask = p.Gateway
		}
		if ref == mode {
			host.set("NetworkMode", p.Name)
		}
		if _, named := endpoints[ref]; !named {
			continue
		}
		endpoint := endpoints.object(ref)
		if err := address(endpoint, p); err != nil {
			return nil, err
		}
		delete(endpoints, ref)
		endpoints.set(p.Name, endpoint)
	}
	if ask.IsValid() && len(host.list("Dns")) == 0 {
		host.set("Dns", []string{ask.String()})
	}
	top.set("HostConfig", host)
	if len(endpoints) > 0 {
		networking.set("EndpointsConfig", endpoints)
		top.set("NetworkingConfig", networking)
	}
	return json.Marshal(top)
}

// Connect rewrites the request for a container that is there already.
func Connect(body []byte, p Place) ([]byte, error) {
	top := objectOf(body)
	endpoint := top.object("EndpointConfig")
	if len(endpoint) == 0 {
		return body, nil
	}
	if err := address(endpoint, p); err != nil {
		return nil, err
	}
	top.set("EndpointConfig", endpoint)
	return json.Marshal(top)
}

// address makes the address that a user asks for one that the plugin is asked for.
func address(endpoint object, p Place) error {
	asked := endpoint.object("IPAMConfig")
	if !p.Subnet.IsValid() || len(asked) == 0 {
		return nil
	}
	if asked.text("IPv6Address") != "" {
		return httperr.NotImplemented("IPv6 addresses on cluster networks are not supported by this version of skep")
	}
	endpoint.drop("IPAMConfig")
	text := asked.text("IPv4Address")
	if text == "" {
		return nil
	}
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return httperr.BadRequest("invalid IPv4 address: %s", text)
	case !p.Subnet.Contains(addr):
		return httperr.BadRequest("the address %s is not in the subnet %s of network %s", addr, p.Subnet, p.Name)
	case addr == p.Gateway || addr == p.Subnet.Addr():
		return httperr.BadRequest("the address %s is network %s's own: choose another one", addr, p.Name)
	}
	options := endpoint.object("DriverOpts")
	options.set(network.OptionAddress, netip.PrefixFrom(addr, p.Subnet.Bits()).String())
	endpoint.set("DriverOpts", options)
	return nil
}
