package engine_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/engine"
)

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func info(t *testing.T, e *engine.Engine) system.Info {
	t.Helper()
	r, err := e.Client().Info(t.Context(), client.InfoOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Info
}

func run(t *testing.T, e *engine.Engine, hostPort string) string {
	t.Helper()
	created, err := e.Client().ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Config: &container.Config{Image: "skep/whoami:1", ExposedPorts: network.PortSet{network.MustParsePort("8080/tcp"): {}}},
		HostConfig: &container.HostConfig{PortBindings: network.PortMap{
			network.MustParsePort("8080/tcp"): {{HostIP: netip.IPv4Unspecified(), HostPort: hostPort}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Client().ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	return created.ID
}

func inspect(t *testing.T, e *engine.Engine, id string) container.State {
	t.Helper()
	r, err := e.Client().ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return *r.Container.State
}

func publishedPort(t *testing.T, e *engine.Engine) string {
	t.Helper()
	list, err := e.Client().ContainerList(t.Context(), client.ContainerListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("listing containers: %v, %v", list, err)
	}
	r, err := e.Client().ContainerInspect(t.Context(), list.Items[0].ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Container.NetworkSettings.Ports[network.MustParsePort("8080/tcp")][0].HostPort
}

// get fetches a page; the container's server may take a moment to listen, while the engine's proxy already does.
func get(t *testing.T, dial dialFunc, addr string) string {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	var err error
	for range 100 {
		var resp *http.Response
		if resp, err = c.Get("http://" + addr + "/"); err == nil {
			page, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			return string(page)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(err)
	return ""
}
