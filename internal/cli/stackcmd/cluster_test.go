package stackcmd

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/api/proxy"
	"github.com/skep-org/skep/internal/cli/local/localtest"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager"
	"github.com/skep-org/skep/internal/manager/stagetest"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// daemon is a skep whose cluster is the test's: the API as it is, at a socket, over a world that changes with each case.
type daemon struct {
	host   string
	engine *proxy.Engine

	mu  sync.Mutex
	api *api.Server
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "skep") //nolint:usetesting // a socket's path must be short
	require.NoError(t, err)
	d := &daemon{host: "unix://" + filepath.Join(dir, "s")}
	listen := func(name string, h http.Handler) *httptest.Server {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		require.NoError(t, err)
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
		s.Start()
		return s
	}
	back := listen("e", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.48")
		w.Header().Set("Ostype", "linux")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
		case strings.HasSuffix(r.URL.Path, "/networks"):
			localtest.Answer(w, []object{})
		default:
			localtest.Refuse(w, http.StatusNotFound, "page not found")
		}
	}))
	d.engine, err = proxy.NewEngine("unix://" + filepath.Join(dir, "e"))
	require.NoError(t, err)
	front := listen("s", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		server := d.api
		d.mu.Unlock()
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		front.Close()
		d.engine.Close()
		back.Close()
		_ = os.RemoveAll(dir)
	})
	return d
}

// cluster is one case's: every planner of a term over a store, driven by hand, and a manager for the API.
type cluster struct {
	*stagetest.World
	loops  []*control.Loop
	mu     sync.Mutex
	writes int
	broken string // what a request found out, in a goroutine that cannot fail the test
}

// begin gives the daemon a cluster of its own.
func (d *daemon) begin(t stagetest.TB, seed uint64) *cluster {
	c := &cluster{}
	c.World = stagetest.New(reporting{t, c})
	ingress := swarm.NetworkSpec{Annotations: swarm.Annotations{Name: "ingress"}, DriverConfiguration: &swarm.Driver{Name: "overlay"}, Ingress: true}
	c.Write(store.WriterAPI, store.Networks.Put(&model.Network{ID: c.NewID(), Name: "ingress", Spec: model.DocOf(ingress)}))
	e := env.Seeded(seed, c.Clock)
	for _, p := range manager.Planners(e) {
		c.loops = append(c.loops, control.NewLoop(p, c.Store, c.direct(), c.Clock))
	}
	log := slog.New(slog.DiscardHandler)
	server := api.New(api.Options{Cluster: c, Proxy: proxy.New(d.engine, log), Events: events.NewRing(), Env: e, Logger: log, Version: "0.0.0", Planners: manager.Planners})
	d.mu.Lock()
	d.api = server
	d.mu.Unlock()
	return c
}

// reporting keeps what fails in a request's goroutine for the test's.
type reporting struct {
	stagetest.TB
	c *cluster
}

func (r reporting) Fatalf(format string, args ...any) {
	r.c.broken = fmt.Sprintf(format, args...)
	panic(r.c.broken)
}

func (c *cluster) State() api.State {
	return api.State{Local: swarm.LocalNodeStateActive, NodeID: model.NumID(1)}
}
func (c *cluster) Manager() api.Manager              { return c }
func (c *cluster) Leave(context.Context, bool) error { return nil }
func (c *cluster) Init(context.Context, swarm.InitRequest) (string, error) {
	return "", nil
}

// Commit implements [api.Manager]. The stages follow each write before the next comes.
func (c *cluster) Commit(b *store.Batch) *store.Pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	p := c.direct().Commit(b)
	c.settle()
	return p
}

// direct commits at times that are each its own.
func (c *cluster) direct() store.Direct {
	return store.Direct{Store: c.Store, Now: func() time.Time { c.Advance(time.Nanosecond); return c.Now() }}
}

// settle has the stages decide until none has anything to do now; it returns when one wants to be asked again.
func (c *cluster) settle() time.Time {
	for range 1000 {
		before := c.View().Index()
		var first time.Time
		for _, l := range c.loops {
			next, err := l.Step(c.Now())
			if err != nil {
				panic(err)
			}
			if !next.IsZero() && (first.IsZero() || next.Before(first)) {
				first = next
			}
		}
		if c.View().Index() == before && (first.IsZero() || first.After(c.Now())) {
			return first
		}
	}
	panic("the stages do not come to rest")
}

func (c *cluster) Fresh(context.Context) (store.View, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.View(), nil
}

// agents have each task take one step, the oldest first.
func (c *cluster) agents() (worked bool) {
	tasks := slices.Collect(store.Tasks.All(c.View()))
	slices.SortFunc(tasks, func(a, b *model.Task) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), a.ServiceID.Compare(b.ServiceID), cmp.Compare(a.Slot, b.Slot), a.NodeID.Compare(b.NodeID))
	})
	for _, t := range tasks {
		before := c.View().Index()
		c.step(t)
		worked = worked || c.View().Index() > before
	}
	return worked
}

func (c *cluster) step(t *model.Task) {
	v := c.View()
	p := store.Placements.ByID(v, t.ID)
	if p == nil || p.NodeID.IsZero() || store.NodeStates.ByID(v, p.NodeID).State != model.ReachReady {
		return
	}
	at := model.StateNew
	if s := store.Statuses.ByID(v, t.ID); s != nil {
		at = s.State
	}
	switch {
	case at.Terminal():
	case t.Desired >= model.StateShutdown:
		c.Report(t, model.StateShutdown, 0, "")
	case at < model.StateReady:
		c.Report(t, model.StateReady, 0, "")
	case at < model.StateRunning && t.Desired >= model.StateRunning:
		c.Report(t, model.StateRunning, 0, "")
	case t.Desired == model.StateComplete && at == model.StateRunning:
		c.Report(t, model.StateComplete, 0, "")
	}
}

// rest lets time pass until nothing is on its way.
func (c *cluster) rest() {
	for range 5000 {
		next := c.settle()
		if c.agents() {
			continue
		}
		if !c.busy() || next.IsZero() {
			return
		}
		c.Clock.Set(next)
	}
	c.broken = "the cluster does not come to rest"
}

func (c *cluster) busy() bool {
	v := c.View()
	for r := range store.Rollouts.All(v) {
		if r.State.InProgress() {
			return true
		}
	}
	for t := range store.Tasks.All(v) {
		if t.Desired < model.StateShutdown && t.NotBefore > c.Now().UnixNano() {
			return true
		}
	}
	return false
}
