package api

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/fill"
)

// blackhole is a client that takes everything at once.
type blackhole struct {
	header http.Header
	status int
	bytes  int
}

func (b *blackhole) Header() http.Header { return b.header }
func (b *blackhole) WriteHeader(status int) {
	b.status = status
}

func (b *blackhole) Write(p []byte) (int, error) {
	b.bytes += len(p)
	return len(p), nil
}

// filled is a world with services of so many running tasks each, spread over nodes.
func filled(b *testing.B, nodes, services, perService int) *world {
	w := newWorld(b)
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	f := fill.New(w.cluster.manager.Store, env.Seeded(2, w.clock).NewID)
	var ids []model.ID
	for i := range nodes {
		d := fill.Description(i)
		d.TLSInfo = swarm.TLSInfo{TrustRoot: strings.Repeat("x", 550), CertIssuerSubject: []byte("subject"), CertIssuerPublicKey: []byte("key")}
		ids = append(ids, f.Node(i, d))
	}
	for i := range services {
		var spec swarm.ServiceSpec
		spec.Name = fmt.Sprintf("web-%d", i)
		spec.Labels = map[string]string{"shard": fmt.Sprint(i % 100)}
		spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "registry.example.org/web:1", Env: []string{"A=1"}}
		replicas := uint64(perService)
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &replicas}
		svc := f.Service(spec)
		for slot := range perService {
			f.Running(svc, uint64(slot+1), ids[(i*perService+slot)%nodes])
		}
	}
	if err := f.Flush(); err != nil {
		b.Fatal(err)
	}
	return w
}

// list has a list answered over and over.
func (w *world) list(b *testing.B, path string, filters string) {
	b.Helper()
	if filters != "" {
		mark := "?"
		if strings.Contains(path, "?") {
			mark = "&"
		}
		path += mark + "filters=" + url.QueryEscape(filters)
	}
	b.ReportAllocs()
	for b.Loop() {
		out := &blackhole{header: http.Header{}}
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
		if err != nil {
			b.Fatal(err)
		}
		w.server.ServeHTTP(out, r)
		if out.status != http.StatusOK {
			b.Fatal(path, out.status)
		}
		b.SetBytes(int64(out.bytes))
	}
}

// BenchmarkServiceList is `docker service ls`, as the CLI of 20.10 asks.
func BenchmarkServiceList(b *testing.B) {
	for _, size := range []struct{ services, tasks int }{{200, 0}, {5000, 10}} {
		w := filled(b, 1000, size.services, size.tasks)
		b.Run(fmt.Sprintf("services=%d/tasks=%d", size.services, size.services*size.tasks), func(b *testing.B) {
			w.list(b, "/v1.41/services?status=true", "")
		})
		b.Run(fmt.Sprintf("services=%d/tasks=%d/name", size.services, size.services*size.tasks), func(b *testing.B) {
			w.list(b, "/v1.41/services?status=true", `{"name":{"web-77":true}}`)
		})
		b.Run(fmt.Sprintf("services=%d/tasks=%d/label", size.services, size.services*size.tasks), func(b *testing.B) {
			w.list(b, "/v1.41/services?status=true", `{"label":{"shard=7":true}}`)
		})
	}
}

// BenchmarkNodeList is `docker node ls`.
func BenchmarkNodeList(b *testing.B) {
	w := filled(b, 10_000, 0, 0)
	b.Run("nodes=10000", func(b *testing.B) { w.list(b, "/v1.41/nodes", "") })
	b.Run("nodes=10000/name", func(b *testing.B) { w.list(b, "/v1.41/nodes", `{"name":{"node-9999":true}}`) })
}

// BenchmarkTaskList is what `docker service ps` and `docker node ps` ask first, and a service's tasks among many.
func BenchmarkTaskList(b *testing.B) {
	w := filled(b, 1000, 10, 10_000)
	b.Run("tasks=10000", func(b *testing.B) { w.list(b, "/v1.41/tasks", `{"service":{"web-7":true}}`) })
	b.Run("tasks=10000/one", func(b *testing.B) {
		w.list(b, "/v1.41/tasks", `{"service":{"web-7":true},"name":{"web-7.777":true}}`)
	})
	b.Run("tasks=100000/node", func(b *testing.B) { w.list(b, "/v1.41/tasks", `{"node":{"node-77":true}}`) })
	b.Run("tasks=100000", func(b *testing.B) { w.list(b, "/v1.41/tasks", "") })
	b.Run("tasks=100000/desired", func(b *testing.B) { w.list(b, "/v1.41/tasks", `{"desired-state":{"shutdown":true}}`) })
}

var large = flag.Bool("api.large", false, "run the benchmarks of a million tasks, which take a minute and gigabytes")

// BenchmarkMillion is what is asked of a cluster of a million tasks: lists, which go by what they return, and a scrape of metrics,
// which looks at all.
func BenchmarkMillion(b *testing.B) {
	if !*large {
		b.Skip("takes a minute and gigabytes: -api.large runs it")
	}
	w := filled(b, 10_000, 10_000, 100)
	for _, l := range []struct{ name, path, filters string }{
		{"tasks/service", "/v1.41/tasks", `{"service":{"web-77":true}}`},
		{"tasks/node", "/v1.41/tasks", `{"node":{"node-77":true}}`},
		{"tasks/label", "/v1.41/tasks", `{"label":{"shard=77":true}}`},
		{"tasks/desired", "/v1.41/tasks", `{"desired-state":{"shutdown":true}}`},
		{"tasks/all", "/v1.41/tasks", ""},
		{"services", "/v1.41/services?status=true", ""},
		{"services/label", "/v1.41/services?status=true", `{"label":{"shard=77":true}}`},
	} {
		b.Run(l.name, func(b *testing.B) { w.list(b, l.path, l.filters) })
	}
	b.Run("metrics", func(b *testing.B) {
		for b.Loop() {
			if n := render.States(w.cluster.manager.Store.View()); n[model.StateRunning] != 1_000_000 {
				b.Fatal(n)
			}
		}
	})
}

// BenchmarkNodeInspect is what `docker service ps` asks once for each node.
func BenchmarkNodeInspect(b *testing.B) {
	w := filled(b, 10_000, 0, 0)
	var id model.ID
	for n := range store.NodeSpecs.All(w.cluster.manager.Store.View()) {
		id = n.ID
	}
	w.list(b, "/v1.41/nodes/"+id.String(), "")
}
