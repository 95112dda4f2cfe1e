package logs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine has containers that write lines as a test says.
type engine struct {
	executor.Executor
	mu      sync.Mutex
	changed chan struct{}
	boxes   map[model.ID]*box
	reading int
}

type box struct {
	lines []string
	times []time.Time
	ended bool
}

func newEngine() *engine {
	return &engine{boxes: map[model.ID]*box{}, changed: make(chan struct{})}
}

func (e *engine) say(task model.ID, lines ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.boxes[task]
	if b == nil {
		b = &box{}
		e.boxes[task] = b
	}
	for _, l := range lines {
		b.lines = append(b.lines, l)
		b.times = append(b.times, time.Now().Add(time.Duration(len(b.lines))))
	}
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *engine) end(task model.ID) {
	e.mu.Lock()
	e.boxes[task].ended = true
	e.mu.Unlock()
	e.say(task)
}

func (e *engine) readers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reading
}

func (e *engine) Logs(_ context.Context, task model.ID, o executor.LogOptions) (executor.Logs, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.boxes[task] == nil {
		return executor.Logs{}, executor.ErrNoContainer
	}
	e.reading++
	tail := 1 << 30
	_, _ = fmt.Sscan(o.Tail, &tail)
	r := &output{engine: e, task: task, opts: o, closed: make(chan struct{}), at: max(0, len(e.boxes[task].lines)-tail)}
	return executor.Logs{ReadCloser: r}, nil
}

// output is a container's output as it is read.
type output struct {
	engine *engine
	task   model.ID
	opts   executor.LogOptions
	once   sync.Once
	closed chan struct{}
	at     int
	rest   []byte
}

func (r *output) Close() error {
	r.once.Do(func() {
		close(r.closed)
		r.engine.mu.Lock()
		r.engine.reading--
		r.engine.mu.Unlock()
	})
	return nil
}

func (r *output) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		r.engine.mu.Lock()
		b, changed := *r.engine.boxes[r.task], r.engine.changed
		r.engine.mu.Unlock()
		switch {
		case r.at < len(b.lines):
			if at := b.times[r.at]; !at.Before(r.opts.Since) {
				text := fmt.Sprintf("%s  %s\n", at.Format(time.RFC3339Nano), b.lines[r.at])
				r.rest = append(binary.BigEndian.AppendUint32([]byte{1, 0, 0, 0}, uint32(len(text))), text...)
			}
			r.at++
		case !r.opts.Follow || b.ended:
			return 0, io.EOF
		default:
			select {
			case <-changed:
			case <-r.closed:
				return 0, io.ErrClosedPipe
			}
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// world is a cluster: manager m and its desk, nodes with porters, and lines between them that can be cut.
type world struct {
	t      *testing.T
	store  *store.Store
	direct store.Direct
	ids    map[string]model.ID
	nodes  map[model.ID]*nodeWorld
	desk   *Desk
	own    *engine
	ctx    context.Context
	ran    sync.WaitGroup
}

type nodeWorld struct {
	engine *engine
	porter *Porter
	deaf   atomic.Bool // its agent hears and does nothing

	mu    sync.Mutex
	sent  int
	lines []*line // open streams
}

const service = "web"

func newWorld(t *testing.T) (*world, func()) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &world{t: t, store: store.New(), ids: map[string]model.ID{}, nodes: map[model.ID]*nodeWorld{}, own: newEngine(), ctx: ctx}
	w.direct = store.Direct{Store: w.store, Now: time.Now}
	w.write(store.WriterInit, store.Clusters.Put(&model.Cluster{ID: w.id("cluster")}))
	rev := &model.ServiceRevision{ID: w.id("rev"), ServiceID: w.id(service), Spec: model.DocOf(swarm.ServiceSpec{})}
	w.write(store.WriterAPI, store.Services.Put(&model.Service{ID: w.id(service), Name: service, Revision: rev.ID}), store.Revisions.Put(rev))
	w.reach("m", model.ReachReady)
	w.desk = NewDesk(DeskConfig{Node: w.id("m"), Addr: func() string { return "192.0.2.1:2377" }, Env: env.Real(), Ask: w.ask})
	return w, func() { cancel(); w.ran.Wait() }
}

func (w *world) id(name string) model.ID {
	if _, ok := w.ids[name]; !ok {
		w.ids[name] = model.NumID(uint64(len(w.ids) + 1))
	}
	return w.ids[name]
}

func (w *world) write(by store.Writer, changes ...store.Change) {
	w.t.Helper()
	if _, _, err := w.direct.Commit(&store.Batch{Writer: by, Changes: changes}).Result(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) reach(node string, r model.Reach) {
	d := model.DocOf(swarm.NodeDescription{Hostname: node})
	w.write(store.WriterAPI, store.NodeSpecs.Put(&model.NodeSpec{ID: w.id(node)}))
	w.write(store.WriterDispatcher, store.NodeStates.Put(&model.NodeState{ID: w.id(node), State: r, Description: d}))
}

// node adds a node with its agent's porter.
func (w *world) node(name string) *nodeWorld {
	n := &nodeWorld{engine: newEngine()}
	n.porter = NewPorter(PorterConfig{
		Executor: n.engine, Clock: env.Real(), Log: slog.New(slog.DiscardHandler),
		Dial: func(ctx context.Context, to model.ID, _ string, stream model.ID) (Sink, error) {
			if to != w.id("m") {
				return nil, errors.New("no such manager")
			}
			return w.attach(ctx, w.id(name), n, stream), nil
		},
	})
	w.nodes[w.id(name)] = n
	w.reach(name, model.ReachReady)
	w.ran.Go(func() { _ = n.porter.Run(w.ctx) })
	return n
}

// task writes a task that runs on a node.
func (w *world) task(name, node string) model.ID {
	id := w.id(name)
	w.write(store.WriterOrchestrator, store.Tasks.Put(&model.Task{ID: id, ServiceID: w.id(service), Revision: w.id("rev"), Slot: uint64(id[15]), Desired: model.StateRunning}))
	w.write(store.WriterScheduler, store.Placements.Put(&model.Placement{TaskID: id, NodeID: w.id(node)}))
	w.write(store.WriterDispatcher, store.Statuses.Put(&model.TaskStatus{TaskID: id, State: model.StateRunning, Container: [32]byte{1}}))
	return id
}

func (w *world) ask(_ context.Context, node model.ID, msg *wire.ManagerMessage) error {
	n := w.nodes[node]
	if n == nil {
		return errors.New("the node's agent is not connected")
	}
	if n.deaf.Load() {
		return nil
	}
	if open := msg.GetOpenLogs(); open != nil {
		n.porter.Open(open)
	} else {
		n.porter.Close(model.ID(msg.GetCloseLogs().StreamId))
	}
	return nil
}

func (w *world) open(sel Selector, opts Options) Stream {
	w.t.Helper()
	opts.Stdout, opts.Stderr = true, true
	c := Cluster{Local: Local{Node: w.id("m"), Executor: w.own, Store: w.store}, Relay: w.desk, Clock: env.Real()}
	s, err := c.Logs(w.ctx, sel, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// next reads what comes within some time, as "task: line" or "! error".
func next(t *testing.T, s Stream, within time.Duration) (out []string) {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for {
		m, err := s.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return append(out, "end")
		case err != nil:
			return out
		case m.Err != nil:
			out = append(out, "! "+m.Err.Error())
		default:
			out = append(out, fmt.Sprintf("%d: %s", m.Task[15], string(m.Data[:len(m.Data)-1])))
		}
	}
}

// line is a stream from a node to the desk, with room for a few frames, as the transport's credit gives.
type line struct {
	node   *nodeWorld
	frames chan *wire.RelayFrame
	cut    context.Context //nolint:containedctx // the stream's
	end    context.CancelFunc
	done   chan struct{} // the desk has had enough
	eof    chan struct{}
	once   sync.Once
}

const window = 16

func (w *world) attach(ctx context.Context, from model.ID, n *nodeWorld, stream model.ID) *line {
	l := &line{node: n, frames: make(chan *wire.RelayFrame, window), done: make(chan struct{}), eof: make(chan struct{})}
	l.cut, l.end = context.WithCancel(ctx)
	n.mu.Lock()
	n.lines = append(n.lines, l)
	n.mu.Unlock()
	w.ran.Go(func() {
		_ = w.desk.Attach(l.cut, from, stream, l)
		close(l.done)
	})
	return l
}

func (l *line) Send(f *wire.RelayFrame) error {
	select {
	case <-l.done:
		return io.EOF
	default:
	}
	select {
	case <-l.done:
		return io.EOF
	case <-l.cut.Done():
		return errors.New("cut")
	case l.frames <- f:
		l.node.mu.Lock()
		l.node.sent++
		l.node.mu.Unlock()
		return nil
	}
}

func (l *line) Close() error {
	l.once.Do(func() { close(l.eof) })
	select {
	case <-l.done:
	case <-l.cut.Done():
	}
	l.end()
	return nil
}

func (l *line) Next() (*wire.RelayFrame, error) {
	select {
	case f := <-l.frames:
		return f, nil
	default:
	}
	select {
	case f := <-l.frames:
		return f, nil
	case <-l.eof:
		select {
		case f := <-l.frames: // sent before the end
			return f, nil
		default:
			return nil, io.EOF
		}
	case <-l.done:
		return nil, context.Canceled
	case <-l.cut.Done():
		return nil, errors.New("reset by peer")
	}
}

// cutAll breaks a node's connections.
func (n *nodeWorld) cutAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.lines {
		l.end()
	}
	n.lines = nil
}

func (n *nodeWorld) sentFrames() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent
}
