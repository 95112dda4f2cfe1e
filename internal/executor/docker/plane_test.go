package docker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os/exec"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/model"
	clusternet "github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/plugin"
)

// plane stands in for a data plane: it serves the real plugin protocol to an engine, and its links lead nowhere.
type plane struct {
	engine *engine.Engine

	mu        sync.Mutex
	networks  map[string]string // the cluster's, by the engine's id
	endpoints map[string]map[string]string
	ready     map[model.ID]func(context.Context) error
}

// newPlane serves the engine's plugin until the test ends.
func newPlane(t *testing.T, e *engine.Engine) *plane {
	t.Helper()
	p := &plane{engine: e, networks: map[string]string{}, endpoints: map[string]map[string]string{}, ready: map[model.ID]func(context.Context) error{}}
	l, err := plugin.Listen(e.Plugins())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- plugin.Serve(ctx, l, p, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return p
}

func (p *plane) Driver() string { return plugin.Name }

func (p *plane) Usable() error { return nil }

// awaits has f decide when a task's networks work.
func (p *plane) awaits(task model.ID, f func(context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready[task] = f
}

func (p *plane) Ready(ctx context.Context, task model.ID) error {
	p.mu.Lock()
	ready := p.ready[task]
	p.mu.Unlock()
	if ready == nil {
		return nil
	}
	return ready(ctx)
}

func (p *plane) HostPorts(task model.ID) []swarm.PortConfig {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, options := range p.endpoints {
		var ports []clusternet.Port
		if options[clusternet.OptionEndpoint] != task.String() || json.Unmarshal([]byte(options[clusternet.OptionPorts]), &ports) != nil {
			continue
		}
		var out []swarm.PortConfig
		for _, port := range ports {
			out = append(out, swarm.PortConfig{
				Protocol: network.IPProtocol(port.Protocol), TargetPort: uint32(port.Target), PublishedPort: uint32(port.Published),
				PublishMode: swarm.PortConfigPublishModeHost,
			})
		}
		return out
	}
	return nil
}

func (p *plane) CreateNetwork(_ context.Context, id string, options map[string]string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.networks[id] = options[clusternet.OptionNetwork]
	return nil
}

func (p *plane) DeleteNetwork(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.networks, id)
	return nil
}

func (p *plane) CreateEndpoint(_ context.Context, e plugin.NewEndpoint) (plugin.Interface, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	addr, err := netip.ParsePrefix(e.Options[clusternet.OptionAddress])
	if err != nil || p.networks[e.Network] == "" {
		return plugin.Interface{}, fmt.Errorf("endpoint %+v on network %q: %w", e, p.networks[e.Network], err)
	}
	p.endpoints[e.ID] = e.Options
	return plugin.Interface{Addr: addr, MAC: clusternet.MAC(addr.Addr()).String()}, nil
}

func (p *plane) DeleteEndpoint(_ context.Context, _, endpoint string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.endpoints, endpoint)
	return nil
}

// Join makes a link whose other end stays in the engine's network; both go with the sandbox.
func (p *plane) Join(_ context.Context, _, endpoint, _ string) (plugin.Joined, error) {
	link := "p" + endpoint[:10]
	out, err := p.engine.Command(context.Background(), "ip", "link", "add", link, "type", "veth", "peer", "name", "q"+endpoint[:10]).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return plugin.Joined{Link: link}, err
}

func (p *plane) Leave(context.Context, string, string) error { return nil }
