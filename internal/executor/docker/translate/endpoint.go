package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client/pkg/versions"
	"github.com/skep-org/skep/internal/executor"
	clusternet "github.com/skep-org/skep/internal/network"
)

// Endpoint is a container's place on a network.
type Endpoint struct {
	Network  string
	Settings *network.EndpointSettings
}

// networks puts the container on its networks: all at creation where the engine can, else the first one only. Without
// any it is on the engine's default bridge, as with Docker's swarm.
func (o *Output) networks(in Input, networks []executor.Network) error {
	if len(networks) == 0 {
		return nil
	}
	atCreation := make(map[string]*network.EndpointSettings, len(networks))
	for i, n := range networks {
		settings, err := endpoint(in.Task, n)
		if err != nil {
			return err
		}
		if i == 0 || versions.GreaterThanOrEqualTo(in.API, "1.44") {
			atCreation[n.Name] = settings
		} else {
			o.Connect = append(o.Connect, Endpoint{Network: n.Name, Settings: settings})
		}
	}
	o.Create.HostConfig.NetworkMode = container.NetworkMode(networks[0].Name)
	o.Create.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: atCreation}
	return nil
}

func endpoint(t *executor.Task, n executor.Network) (*network.EndpointSettings, error) {
	if n.Overlay() {
		return overlayEndpoint(t, n)
	}
	e := &network.EndpointSettings{DriverOpts: n.Options}
	if n.ID.IsZero() && predefined(n.Name) {
		return e, nil // the engine refuses names on these
	}
	for _, alias := range append([]string{t.ServiceName, t.Name(), "tasks." + t.ServiceName}, n.Aliases...) {
		if !slices.Contains(e.Aliases, alias) {
			e.Aliases = append(e.Aliases, alias)
		}
	}
	if n.Addr == "" {
		return e, nil
	}
	addr, err := parseAddr(n.Addr)
	if err != nil {
		return nil, fmt.Errorf("network %s: the task's address: %w", n.Name, err)
	}
	e.IPAMConfig = &network.EndpointIPAMConfig{}
	if addr.Is4() {
		e.IPAMConfig.IPv4Address = addr
	} else {
		e.IPAMConfig.IPv6Address = addr
	}
	return e, nil
}

// overlayEndpoint tells the data plane, through the engine, whose endpoint it is and what the managers have given it. The
// engine is told no names: it would answer them itself, before it asks who knows of the whole cluster.
func overlayEndpoint(t *executor.Task, n executor.Network) (*network.EndpointSettings, error) {
	addr, err := netip.ParsePrefix(n.Addr)
	if n.Addr == "" {
		return nil, fmt.Errorf("network %s: the managers gave the task no address on it", n.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("network %s: the task's address: %w", n.Name, err)
	}
	options := map[string]string{}
	maps.Copy(options, n.Options)
	options[clusternet.OptionEndpoint], options[clusternet.OptionAddress] = t.ID.String(), addr.String()
	if c := t.Spec.ContainerSpec; c.DNSConfig != nil && len(c.DNSConfig.Nameservers) > 0 {
		var servers []string
		for _, s := range c.DNSConfig.Nameservers {
			servers = append(servers, s.String())
		}
		options[clusternet.OptionDNS] = strings.Join(servers, ",")
	}
	if n.Ingress() && len(t.Ports) > 0 {
		ports, err := hostPorts(t.Ports)
		if err != nil {
			return nil, err
		}
		options[clusternet.OptionPorts] = ports
	}
	return &network.EndpointSettings{DriverOpts: options}, nil
}

// hostPorts are the ports that the data plane publishes on this node for a task: its way out is the ingress network, where
// the engine cannot.
func hostPorts(ports []swarm.PortConfig) (string, error) {
	var out []clusternet.Port
	for _, p := range ports {
		port, err := portOf(p)
		if err != nil {
			return "", err
		}
		out = append(out, clusternet.Port{Protocol: string(port.Proto()), Published: uint16(p.PublishedPort), Target: port.Num()})
	}
	text, err := json.Marshal(out)
	return string(text), err
}

// onIngress reports whether the task's way out is the ingress network.
func onIngress(t *executor.Task) bool {
	return slices.ContainsFunc(t.Networks, func(n executor.Network) bool { return n.Overlay() && n.Ingress() })
}

// parseAddr reads an address with or without the length of its network.
func parseAddr(s string) (netip.Addr, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Addr(), nil
	}
	return netip.ParseAddr(s)
}

func predefined(name string) bool {
	return name == network.NetworkBridge || name == network.NetworkHost || name == network.NetworkNone || name == network.NetworkDefault
}
