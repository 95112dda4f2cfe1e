package docker_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/docker"
)

// TestCalls counts what a service's tasks ask of the engine: each call is a part of how long `service create` takes.
func TestCalls(t *testing.T) {
	lab := startEngine(t)
	h := newHarness(t, lab)
	counts := &callCounts{calls: map[string]int{}}
	front := httptest.NewServer(counts.through(lab.Socket()))
	defer front.Close()
	e, err := docker.New(docker.Options{Host: "tcp://" + front.Listener.Addr().String(), NodeID: h.node, Files: h.files, Env: env.Real(), Plane: newPlane(t, lab)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	phases := map[executor.Phase]int{}
	gone := make(chan struct{}, 100)
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- e.Watch(ctx, func() { close(ready) }, func(c executor.Container) {
			mu.Lock()
			defer mu.Unlock()
			if phases[c.Phase]++; c.Phase == executor.Gone {
				gone <- struct{}{}
			}
		})
	}()
	<-ready
	const n = 5
	network := clusterNetwork("counted", 1, 0)
	var wg sync.WaitGroup
	for slot := range n {
		task := h.task(&swarm.ContainerSpec{})
		network.Addr = fmt.Sprintf("10.99.1.%d/24", 2+slot)
		task.Slot, task.Networks = uint64(slot+1), []executor.Network{network}
		wg.Go(func() {
			_, prepare := e.Prepare(ctx, task)
			_, start := e.Start(ctx, task)
			if err := errors.Join(prepare, start, e.Stop(ctx, task.ID), e.Remove(ctx, task.ID)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range n {
		<-gone
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("watch ended with %v", err)
	}
	want := `1 DELETE /networks/X
1 GET /containers/json
1 GET /events
1 GET /info
1 HEAD /_ping
1 POST /images/create
1 POST /networks/create
2 GET /networks
5 DELETE /containers/X
5 GET /containers/X/json
5 POST /containers/X/start
5 POST /containers/X/stop
5 POST /containers/create
`
	if err := e.PruneNetworks(t.Context(), nothing); err != nil {
		t.Error(err)
	}
	if got := counts.String(); got != want {
		t.Errorf("%d tasks called:\n%s\nwant:\n%s", n, got, want)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, p := range []executor.Phase{executor.Created, executor.Exited, executor.Gone} { // Start told of the others
		if phases[p] != n {
			t.Errorf("watch told phase %d of %d tasks, want %d", p, phases[p], n)
		}
	}
}

type callCounts struct {
	mu    sync.Mutex
	calls map[string]int
}

// through passes requests on to the engine's socket and counts them.
func (c *callCounts) through(socket string) http.Handler {
	ids := regexp.MustCompile(`[0-9a-f]{64}`)
	versions := regexp.MustCompile(`^/v[0-9.]+`)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.FlushInterval = -1
	proxy.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.calls[r.Method+" "+ids.ReplaceAllString(versions.ReplaceAllString(r.URL.Path, ""), "X")]++
		c.mu.Unlock()
		proxy.ServeHTTP(w, r)
	})
}

func (c *callCounts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines []string
	for _, call := range slices.Collect(maps.Keys(c.calls)) {
		lines = append(lines, fmt.Sprintf("%d %s\n", c.calls[call], call))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
