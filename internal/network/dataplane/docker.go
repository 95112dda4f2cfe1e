package dataplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	mobynet "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/plugin"
)

// Docker is the engine of a node, a Docker Engine. Close it when done.
type Docker struct{ api *client.Client }

var _ Engine = (*Docker)(nil)

// NewDocker is for the engine at an address; it is not called yet.
func NewDocker(host string) (*Docker, error) {
	api, err := client.New(client.WithHost(host), client.WithUserAgent("skep"))
	if err != nil {
		return nil, fmt.Errorf("docker engine at %s: %w", host, err)
	}
	return &Docker{api}, nil
}

// Close gives back idle connections.
func (d *Docker) Close() error { return d.api.Close() }

// Watch implements [Engine].
func (d *Docker) Watch(ctx context.Context, changed func()) error {
	if _, err := d.api.Ping(ctx, client.PingOptions{}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	filters := client.Filters{}.Add("type", string(events.NetworkEventType)).Add("event", "connect", "disconnect")
	stream := d.api.Events(ctx, client.EventsListOptions{Filters: filters})
	changed()
	for {
		select {
		case m := <-stream.Messages:
			if m.Actor.Attributes["type"] == plugin.Name {
				changed()
			}
		case err := <-stream.Err:
			if err == nil {
				err = io.EOF
			}
			return err
		}
	}
}

// Realms implements [Engine].
func (d *Docker) Realms(ctx context.Context, want func(string) bool) ([]Realm, error) {
	list, err := d.api.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("driver", plugin.Name)})
	if err != nil {
		return nil, fmt.Errorf("list the engine's networks: %w", err)
	}
	var out []Realm
	for _, n := range list.Items {
		of, err := model.ParseID(n.Options[network.OptionNetwork])
		if err != nil {
			continue // nobody's
		}
		r := Realm{ID: n.ID, Of: of}
		if r.Places, err = d.places(ctx, n.ID, want); err != nil && !cerrdefs.IsNotFound(err) {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// places are those on one network.
func (d *Docker) places(ctx context.Context, id string, want func(string) bool) ([]Place, error) {
	answer, err := d.api.NetworkInspect(ctx, id, client.NetworkInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("inspect the engine's network %s: %w", id, err)
	}
	var out []Place
	for container, e := range answer.Network.Containers {
		p := Place{Endpoint: e.EndpointID}
		// One that is not in a container yet stands there with its own id.
		if want(e.EndpointID) && !strings.HasPrefix(container, "ep-") {
			if err := d.describe(ctx, &p, container, answer.Network.Name); err != nil && !cerrdefs.IsNotFound(err) {
				return nil, err
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// describe adds what the container tells of its place on a network.
func (d *Docker) describe(ctx context.Context, p *Place, id, network string) error {
	answer, err := d.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", id, err)
	}
	c := answer.Container
	if c.NetworkSettings == nil || c.NetworkSettings.Networks[network] == nil {
		return nil // it has left meanwhile
	}
	e := c.NetworkSettings.Networks[network]
	if e.EndpointID != p.Endpoint {
		return nil
	}
	p.Sandbox, p.Options = c.NetworkSettings.SandboxKey, e.DriverOpts
	if e.IPAddress.IsValid() {
		p.Addr = netip.PrefixFrom(e.IPAddress, e.IPPrefixLen)
	}
	p.Names = []string{strings.TrimPrefix(c.Name, "/")}
	for _, alias := range e.Aliases {
		if !slices.Contains(p.Names, alias) {
			p.Names = append(p.Names, alias)
		}
	}
	p.Outside, err = d.outside(ctx, c.NetworkSettings.Networks)
	return err
}

// outside reports whether a container is on a network of the engine's own that leads out.
func (d *Docker) outside(ctx context.Context, on map[string]*mobynet.EndpointSettings) (bool, error) {
	for name, e := range on {
		if name == mobynet.NetworkNone || e == nil || e.NetworkID == "" {
			continue
		}
		answer, err := d.api.NetworkInspect(ctx, e.NetworkID, client.NetworkInspectOptions{})
		switch {
		case cerrdefs.IsNotFound(err):
		case err != nil:
			return false, errors.Join(fmt.Errorf("inspect the engine's network %s", name), err)
		case answer.Network.Driver != plugin.Name && !answer.Network.Internal:
			return true, nil
		}
	}
	return false, nil
}
