package translate

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client/pkg/versions"
	"github.com/skep-org/skep/internal/executor"
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
