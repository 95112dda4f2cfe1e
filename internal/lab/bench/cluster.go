package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/skep-org/skep/internal/lab/differential/side"
)

// cluster does the works through the services API: Docker's swarm mode or skep.
type cluster struct {
	side *side.Side
	end  func() error // what is left to do after leaving the swarm; may be nil
}

// startCluster switches swarm mode on.
func startCluster(ctx context.Context, s *side.Side, end func() error) (*cluster, error) {
	c := &cluster{side: s, end: end}
	body := `{"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"127.0.0.1"}`
	return c, c.post(ctx, "/swarm/init", []byte(body))
}

func (c *cluster) post(ctx context.Context, path string, body []byte) error {
	return expect(c.side.Call(ctx, http.MethodPost, path, body))
}

func expect(a side.Answer, err error) error {
	if err != nil {
		return err
	}
	if a.Status >= 300 {
		return fmt.Errorf("answer %d: %s", a.Status, a.Body)
	}
	return nil
}

// spec is what the docker CLI sends for `service create --update-parallelism 5
// --update-delay 0s --update-monitor 0s`: zero values are left out.
func spec(name, image string, replicas int) map[string]any {
	return map[string]any{
		"Name": name,
		"TaskTemplate": map[string]any{
			"ContainerSpec": map[string]any{"Image": image, "Init": false, "DNSConfig": map[string]any{}},
			"Resources":     map[string]any{"Limits": map[string]any{}, "Reservations": map[string]any{}},
			"Placement":     map[string]any{},
			"ForceUpdate":   0,
		},
		"Mode":         map[string]any{"Replicated": map[string]any{"Replicas": replicas}},
		"UpdateConfig": map[string]any{"Parallelism": 5, "MaxFailureRatio": 0},
		"EndpointSpec": map[string]any{"Mode": "vip"},
	}
}

func (c *cluster) create(ctx context.Context, replicas int) error {
	return c.createNamed(ctx, "bench", replicas)
}

func (c *cluster) createNamed(ctx context.Context, name string, replicas int) error {
	body, err := json.Marshal(spec(name, image1, replicas))
	if err != nil {
		return err
	}
	return c.post(ctx, "/services/create", body)
}

func (c *cluster) scale(ctx context.Context, replicas int) error {
	return c.change(ctx, spec("bench", image1, replicas))
}

func (c *cluster) update(ctx context.Context) error {
	return c.change(ctx, spec("bench", image2, small))
}

// change reads the version, as the CLI does, and posts the new spec.
func (c *cluster) change(ctx context.Context, to map[string]any) error {
	a, err := c.side.Call(ctx, http.MethodGet, "/services/bench", nil)
	if err := expect(a, err); err != nil {
		return err
	}
	var s struct{ Version struct{ Index uint64 } }
	if err := json.Unmarshal(a.Body, &s); err != nil {
		return fmt.Errorf("reading the service: %w", err)
	}
	body, err := json.Marshal(to)
	if err != nil {
		return err
	}
	return c.post(ctx, "/services/bench/update?version="+strconv.FormatUint(s.Version.Index, 10), body)
}

func (c *cluster) remove(ctx context.Context) error {
	return expect(c.side.Call(ctx, http.MethodDelete, "/services/bench", nil))
}

func (c *cluster) lists(ctx context.Context) (cli, api func(context.Context) error, err error) {
	for i := range services {
		if err := c.createNamed(ctx, listed(i), 0); err != nil {
			return nil, nil, err
		}
	}
	cli, api = listings(c.side)
	return cli, api, nil
}

// listings list the services by the CLI and by the API.
func listings(s *side.Side) (cli, api func(context.Context) error) {
	cli = func(ctx context.Context) error { return shell(ctx, s, "docker service ls", services+1) }
	api = func(ctx context.Context) error {
		return expect(s.Call(ctx, http.MethodGet, "/services?status=true", nil))
	}
	return cli, api
}

// close leaves the swarm, so that the next party finds a plain engine.
func (c *cluster) close(ctx context.Context) error {
	if err := c.post(ctx, "/swarm/leave?force=1", nil); err != nil {
		return err
	}
	if c.end != nil {
		return c.end()
	}
	return nil
}
