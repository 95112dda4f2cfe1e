package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/proxy"
	"github.com/skep-org/skep/internal/api/routes"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/socketmount"
	"github.com/skep-org/skep/internal/manager/allocator"
	"github.com/skep-org/skep/internal/manager/orchestrator"
	"github.com/skep-org/skep/internal/manager/scheduler"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server before an in-memory cluster and a made-up engine.
type world struct {
	t       testing.TB
	clock   *env.Manual
	cluster *fakeCluster
	server  *Server
	front   *httptest.Server
	engine  map[string]string // "GET /path" → "status body"
	passed  []string          // what reached the engine
	auths   []string          // with which credentials
}

type fakeCluster struct {
	mu      sync.Mutex
	world   *world
	asked   map[string]string // a worker's: the subnets of networks plain containers may join; empty: they may not
	state   State
	manager *fakeManager
	env     env.Env
	held    []string // networks brought for requests that are not answered
}

type fakeManager struct {
	mu     sync.Mutex
	before func() // called before a write; may be nil
	store.Direct
}

func (m *fakeManager) Commit(b *store.Batch) *store.Pending {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		m.before()
	}
	return m.Direct.Commit(b)
}

func (m *fakeManager) Fresh(context.Context) (store.View, error) { return m.Store.View(), nil }

// AskNetwork implements [Directory].
func (c *fakeCluster) AskNetwork(_ context.Context, name string) (executor.Network, error) {
	switch subnet, ok := c.asked[name]; {
	case !ok:
		return executor.Network{}, httperr.NotFound("network %s not found", name)
	case subnet == "":
		return executor.Network{}, httperr.New(http.StatusForbidden, "network %s not manually attachable", name)
	default:
		p := netip.MustParsePrefix(subnet)
		return executor.Network{ID: model.NumID(77), Name: name, Subnet: subnet, Gateway: p.Addr().Next().String(), Spec: &swarm.NetworkSpec{}}, nil
	}
}

// BringNetwork implements [Bringer]: the made-up engine has it from then on.
func (c *fakeCluster) BringNetwork(_ context.Context, n executor.Network) (func(), error) {
	if n.Subnet == "" {
		return nil, errors.New("it has no subnet")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = append(c.held, n.Name)
	c.world.engine["GET /networks"] = `200 [{"Id":"carrier-` + n.Name + `","Name":"` + n.Name + `","Labels":{"skep.network.id":"` + n.ID.String() + `"}}]`
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.held, n.Name)
		c.held = slices.Delete(c.held, i, i+1)
	}, nil
}

func (c *fakeCluster) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func (c *fakeCluster) Manager() Manager {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.manager == nil {
		return nil
	}
	return c.manager
}

func (c *fakeCluster) Init(_ context.Context, _ swarm.InitRequest) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	node := model.ID(c.env.NewID())
	c.manager = &fakeManager{Direct: store.Direct{Store: store.New(), Now: c.env.Now}}
	limit := int64(5)
	spec := swarm.Spec{Orchestration: swarm.OrchestrationConfig{TaskHistoryRetentionLimit: &limit}}
	spec.Name = "default"
	ingress := swarm.NetworkSpec{Annotations: swarm.Annotations{Name: "ingress"}, DriverConfiguration: &swarm.Driver{Name: "overlay"}, Ingress: true}
	state := model.NodeState{ID: node, State: model.ReachReady, Addr: "10.0.0.1", Description: model.DocOf(swarm.NodeDescription{Hostname: "one"})}
	_, err := c.manager.Direct.Commit(&store.Batch{Writer: store.WriterInit, Changes: []store.Change{
		store.Clusters.Put(&model.Cluster{ID: c.env.NewID(), Spec: model.DocOf(spec), WorkerToken: "w", ManagerToken: "m", InitialNodeID: node}),
		store.Roots.Put(&model.Root{ClusterID: c.env.NewID(), Digest: "digest", Cert: []byte("PEM"), Private: []byte("KEY")}),
		store.NodeSpecs.Put(&model.NodeSpec{ID: node, Spec: model.DocOf(swarm.NodeSpec{Role: "manager", Availability: "active"})}),
		store.NodeStates.Put(&state),
		store.Networks.Put(&model.Network{ID: c.env.NewID(), Name: "ingress", Spec: model.DocOf(ingress)}),
		store.Members.Put(&model.Member{RaftID: 1, NodeID: node, Addr: "10.0.0.1:2377"}),
	}}).Wait(context.Background())
	c.state = State{Local: swarm.LocalNodeStateActive, NodeID: node, Addr: "10.0.0.1", Leader: node}
	return node.String(), err
}

func (c *fakeCluster) Leave(context.Context, bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.manager = State{Local: swarm.LocalNodeStateInactive}, nil
	return nil
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, clock: env.NewManual(time.Unix(1_700_000_000, 0)), engine: map[string]string{}}
	e := env.Seeded(1, w.clock)
	w.cluster = &fakeCluster{world: w, state: State{Local: swarm.LocalNodeStateInactive}, env: e}

	socket := filepath.Join(t.TempDir(), "engine.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	back := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(w.answer)}}
	back.Start()
	engine, err := proxy.NewEngine("unix://" + socket)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w.server = New(Options{Cluster: w.cluster, Proxy: proxy.New(engine, log), Events: events.NewRing(), Env: e,
		Sockets: socketmount.Rewriter{Socket: "/run/skep/skep.sock"}, Logger: log, Version: "0.0.0", Planners: planners})
	w.front = httptest.NewServer(w.server)
	t.Cleanup(func() {
		w.front.Close()
		engine.Close()
		back.Close()
	})
	return w
}

// planners are those that decide about tasks.
func planners(e env.Env) []control.Planner {
	return []control.Planner{orchestrator.New(func() model.ID { return e.NewID() }), allocator.New(), scheduler.New()}
}

// answer is the made-up engine.
func (w *world) answer(rw http.ResponseWriter, r *http.Request) {
	h := rw.Header()
	h.Set("Api-Version", "1.41")
	h.Set("Ostype", "linux")
	h.Set("Server", "Docker/20.10.24 (linux)")
	h.Set("Docker-Experimental", "false")
	h.Set("Content-Type", "application/json")
	if r.URL.Path == "/_ping" {
		return
	}
	body, _ := io.ReadAll(r.Body)
	line := strings.TrimSpace(r.Method + " " + r.RequestURI + " " + string(body))
	w.cluster.mu.Lock()
	if len(w.cluster.held) > 0 && r.Method == http.MethodPost {
		line += fmt.Sprint("   holding ", w.cluster.held)
	}
	w.cluster.mu.Unlock()
	w.passed = append(w.passed, line)
	w.auths = append(w.auths, r.Header.Get("X-Registry-Auth")+r.Header.Get("X-Registry-Config"))
	_, bare := versions.Split(r.URL.Path)
	answer, ok := w.engine[r.Method+" "+bare]
	if !ok {
		rw.WriteHeader(http.StatusNotFound)
		io.WriteString(rw, `{"message":"page not found"}`+"\n")
		return
	}
	var status int
	fmt.Sscan(answer, &status)
	_, text, _ := strings.Cut(answer, " ")
	rw.WriteHeader(status)
	io.WriteString(rw, text+"\n")
}

// TestDataDriven sends requests and shows the answers. The commands are: request (METHOD PATH, then the
// body), engine (what the engine answers: METHOD PATH STATUS BODY, a line each), rows (lets the stages write
// something), passed (what has reached the engine since the last time). Ids and times are made plain.
func TestDataDriven(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld(t)
		ids := newIDNames()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			w.clock.Set(w.clock.Now().Add(time.Second))
			switch d.Cmd {
			case "request":
				return ids.plain(w.request(ids.back(d.Input)))
			case "engine":
				for line := range strings.Lines(d.Input) {
					f := strings.SplitN(strings.TrimSpace(line), " ", 3)
					w.engine[f[0]+" "+f[1]] = f[2]
				}
				return ""
			case "rows":
				return w.rows(d)
			case "worker":
				w.cluster.state, w.cluster.asked = State{Local: swarm.LocalNodeStateActive, NodeID: w.server.Env.NewID()}, map[string]string{}
				for _, a := range d.CmdArgs {
					w.cluster.asked[a.Key] = strings.Join(a.Vals, "")
				}
				return ""
			case "passed":
				out := strings.Join(w.passed, "\n")
				w.passed = nil
				return ids.plain(out + "\n")
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func (w *world) request(input string) string {
	first, body, _ := strings.Cut(input, "\n")
	f := strings.Fields(first)
	req, err := http.NewRequestWithContext(w.t.Context(), f[0], w.front.URL+f[1], strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, header := range f[2:] {
		name, value, _ := strings.Cut(header, "=")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimRight(fmt.Sprintf("%d %s", resp.StatusCode, raw), "\n ") + "\n"
}

// rows plays the stages.
func (w *world) rows(d *datadriven.TestData) string {
	m := w.cluster.Manager().(*fakeManager)
	v := m.Store.View()
	if d.HasArg("network") || d.HasArg("guest") {
		return w.networkRows(v, d)
	}
	var service string
	d.ScanArgs(w.t, "service", &service)
	s := store.ServiceNamed(v, service)
	var b store.Batch
	switch {
	case d.HasArg("rollout"):
		var state string
		d.ScanArgs(w.t, "rollout", &state)
		r := &model.Rollout{ServiceID: s.ID, Asked: s.Revision, AskedIndex: s.Index, Active: s.Revision, Previous: s.Previous, StartedAt: 1e18, Message: "as it goes"}
		switch state {
		case "updating":
			r.State = model.RolloutUpdating
		case "completed":
			r.State, r.CompletedAt = model.RolloutCompleted, 2e18
		case "rolled-back":
			r.State, r.Active, r.Previous = model.RolloutRollbackCompleted, s.Previous, s.Revision
		}
		b = store.Batch{Writer: store.WriterOrchestrator, Changes: []store.Change{store.Rollouts.Put(r)}}
	case d.HasArg("task"):
		t := &model.Task{ID: w.server.Env.NewID(), ServiceID: s.ID, Revision: s.Revision, Slot: 1, Desired: model.StateRunning}
		node := w.cluster.State().NodeID
		b = store.Batch{Writer: store.WriterOrchestrator, Changes: []store.Change{store.Tasks.Put(t)}}
		w.commit(&b)
		w.commit(&store.Batch{Writer: store.WriterScheduler, Changes: []store.Change{store.Placements.Put(&model.Placement{TaskID: t.ID, NodeID: node, Generic: reserved(current(v, s).Spec.Get())})}})
		a := &model.Allocation{Owner: t.ID, Kind: model.AllocTask, Done: true}
		for _, target := range current(v, s).Spec.Get().TaskTemplate.Networks {
			a.Networks = append(a.Networks, model.NetworkAddr{NetworkID: parseID(target.Target), Addr: netip.MustParsePrefix("10.0.9.3/24")})
		}
		w.commit(&store.Batch{Writer: store.WriterAllocator, Changes: []store.Change{store.Allocations.Put(a)}})
		status := &model.TaskStatus{TaskID: t.ID, State: model.StateRunning, Container: [32]byte{1}, PID: 7, At: 1e18}
		b = store.Batch{Writer: store.WriterDispatcher, Changes: []store.Change{store.Statuses.Put(status)}}
	case d.HasArg("ports"): // what the allocator chose for those left open
		a := &model.Allocation{Owner: s.ID, Kind: model.AllocService, Done: true}
		var next uint32
		d.ScanArgs(w.t, "ports", &next)
		for _, p := range current(v, s).Spec.Get().EndpointSpec.Ports {
			if p.PublishedPort == 0 && p.PublishMode == swarm.PortConfigPublishModeIngress {
				p.PublishedPort, next = next, next+1
			}
			a.Ports = append(a.Ports, p)
		}
		b = store.Batch{Writer: store.WriterAllocator, Changes: []store.Change{store.Allocations.Put(a)}}
	case d.HasArg("vip"):
		a := &model.Allocation{Owner: s.ID, Kind: model.AllocService, Done: true}
		for n := range store.Networks.All(v) {
			a.Networks = append(a.Networks, model.NetworkAddr{NetworkID: n.ID, Addr: netip.MustParsePrefix("10.0.9.2/24")})
		}
		b = store.Batch{Writer: store.WriterAllocator, Changes: []store.Change{store.Allocations.Put(a)}}
	}
	w.commit(&b)
	return ""
}

// networkRows plays allocator and dispatcher for a network: gives it a subnet, or says that it runs out, or puts a
// container on it.
func (w *world) networkRows(v store.View, d *datadriven.TestData) string {
	var name string
	if d.HasArg("guest") {
		d.ScanArgs(w.t, "guest", &name)
		n := store.NetworkByName(v, name)
		g := &model.Attachment{ID: w.server.Env.NewID(), NodeID: w.cluster.State().NodeID, NetworkID: n.ID, Names: []string{"shell"}}
		w.commit(&store.Batch{Writer: store.WriterDispatcher, Changes: []store.Change{store.Attachments.Put(g)}})
		w.commit(&store.Batch{Writer: store.WriterAllocator, Changes: []store.Change{store.Allocations.Put(&model.Allocation{Owner: g.ID, Kind: model.AllocAttachment,
			Done: true, Networks: []model.NetworkAddr{{NetworkID: n.ID, Addr: netip.MustParsePrefix("10.0.9.70/24")}}})}})
		return ""
	}
	d.ScanArgs(w.t, "network", &name)
	n := store.NetworkByName(v, name)
	a := &model.Allocation{Owner: n.ID, Kind: model.AllocNetwork, VNI: 4097, Done: true,
		Networks: []model.NetworkAddr{{NetworkID: n.ID, Addr: netip.MustParsePrefix("10.0.9.0/24"), Gateway: netip.MustParseAddr("10.0.9.1")}}}
	for _, arg := range d.CmdArgs {
		if arg.Key == "warning" {
			a.SetWarning(strings.Join(arg.Vals, ", "))
		}
	}
	w.commit(&store.Batch{Writer: store.WriterAllocator, Changes: []store.Change{store.Allocations.Put(a)}})
	return ""
}

func (w *world) commit(b *store.Batch) {
	if _, err := w.cluster.Manager().Commit(b).Wait(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// idNames gives ids short names and takes them back, so that testdata can speak of them.
type idNames struct{ names, ids map[string]string }

func newIDNames() idNames { return idNames{map[string]string{}, map[string]string{}} }

func (n idNames) plain(text string) string {
	text = regexp.MustCompile(`"[0-9]{4}-[0-9]{2}-[0-9T:.-]+Z"`).ReplaceAllString(text, `"<time>"`)
	return regexp.MustCompile(`\b[0-9a-z]{25}\b`).ReplaceAllStringFunc(text, func(id string) string {
		if strings.Trim(id, "abcdefghijklmnopqrstuvwxyz") == "" {
			return id
		}
		if n.names[id] == "" {
			name := fmt.Sprintf("<id%d>", len(n.names)+1)
			n.names[id], n.ids[name] = name, id
		}
		return n.names[id]
	})
}

func (n idNames) back(text string) string {
	for name, id := range n.ids {
		text = strings.ReplaceAll(text, name, id)
	}
	return text
}

// TestHandlers fails when a route that is not the engine's has no handler, or one of the engine's has.
func TestHandlers(t *testing.T) {
	for _, r := range routes.Table() {
		_, ok := handlers()[r.Key()]
		if ok == (r.Class == routes.Passed) {
			t.Errorf("%s is %s; it has a handler: %v", r.Key(), r.Class, ok)
		}
	}
}

// reserved is what a scheduler assigns that is asked for things that are counted.
func reserved(spec *swarm.ServiceSpec) []swarm.GenericResource {
	if r := spec.TaskTemplate.Resources; r != nil && r.Reservations != nil {
		return r.Reservations.GenericResources
	}
	return nil
}
