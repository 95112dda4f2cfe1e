package docker

import (
	"context"
	"fmt"
	"maps"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// takeSettings takes a network's settings from the engine's network that holds them. The engine would do it itself, but
// not for a network with a label, and by its label skep knows its own.
func (n *networks) takeSettings(ctx context.Context, o *client.NetworkCreateOptions) error {
	from := o.ConfigFrom
	if from == "" {
		return nil
	}
	found, err := n.api.NetworkInspect(ctx, from, client.NetworkInspectOptions{})
	if cerrdefs.IsNotFound(err) || err == nil && !found.Network.ConfigOnly {
		return fmt.Errorf("this node has no network of settings %q: make it with docker network create --config-only", from)
	}
	if err != nil {
		return called(err)
	}
	o.ConfigFrom = ""
	o.IPAM = &network.IPAM{Driver: found.Network.IPAM.Driver, Options: found.Network.IPAM.Options, Config: found.Network.IPAM.Config}
	if found.Network.EnableIPv6 {
		o.EnableIPv6 = &found.Network.EnableIPv6
	}
	for k, v := range found.Network.Labels {
		if _, own := o.Labels[k]; !own {
			o.Labels[k] = v
		}
	}
	maps.Copy(o.Options, found.Network.Options)
	return nil
}
