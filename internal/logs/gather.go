package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

const (
	// A node that did not send what it was asked for is asked again after a second, then ever later.
	retryFirst = time.Second
	retryMost  = 30 * time.Second
	// atOnce bounds the containers of this node that are read at a time, where the output has an end.
	atOnce = 8
)

// gathering brings the selected tasks' output together. Its readers are goroutines; what they share is under mu.
type gathering struct {
	Cluster
	out  *stream
	sel  Selector
	opts Options

	readers sync.WaitGroup
	wake    chan struct{} // holds a token when a reader has ended

	mu      sync.Mutex
	feeds   map[model.ID]*feed
	outages map[model.ID]*outage
}

// feed is one task's output.
type feed struct {
	task    *model.Task
	reading bool
	over    bool      // all of it has come, or what comes is lost
	last    time.Time // of the newest line
	skip    time.Time // lines up to here have been shown, before the connection was lost
}

// outage is a node that could not be asked.
type outage struct {
	told  bool // its absence was told
	tries int
	retry time.Time // not to be asked before
}

// run follows the selected tasks: those there are, and when following those that come.
func (g *gathering) run(ctx context.Context) {
	defer g.readers.Wait()
	for {
		changed := g.Store.Changed()
		v := g.Store.View()
		tasks := selected(v, g.sel)
		retry := g.begin(ctx, v, tasks)
		if !g.opts.Follow || !exists(v, g.sel, tasks) || g.ended() {
			return
		}
		var timer <-chan time.Time
		stop := func() {}
		if !retry.IsZero() {
			timer, stop = g.Clock.NewTimer(retry.Sub(g.Clock.Now()))
		}
		select {
		case <-changed:
		case <-g.wake:
		case <-timer:
		case <-ctx.Done():
			stop()
			return
		}
		stop()
	}
}

// ended reports whether the one task selected can say nothing more.
func (g *gathering) ended() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.feeds[g.sel.Task]
	return f != nil && f.over
}

// asking is what is to be asked of one node at once. Tasks of which a part has been shown are asked for apart.
type asking struct {
	node    model.ID
	resumed bool
}

// begin starts reading what is not being read, and returns when a node is to be tried again.
func (g *gathering) begin(ctx context.Context, v store.View, tasks []*model.Task) (retry time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	own, others, order := g.waiting(v, tasks)
	g.readOwn(ctx, own)
	for _, a := range order {
		if at := g.ask(ctx, v, a, others[a]); !at.IsZero() && (retry.IsZero() || at.Before(retry)) {
			retry = at
		}
	}
	return retry
}

// waiting sorts the feeds that wait by where their containers are. Feeds of tasks whose rows are gone are forgotten.
func (g *gathering) waiting(v store.View, tasks []*model.Task) (own []*feed, others map[asking][]*feed, order []asking) {
	others = map[asking][]*feed{}
	there := map[model.ID]bool{}
	for _, t := range tasks {
		there[t.ID] = true
		node := home(v, t)
		if node.IsZero() {
			continue
		}
		f := g.feeds[t.ID]
		if f == nil {
			f = &feed{task: t}
			g.feeds[t.ID] = f
		}
		a := asking{node, !f.last.IsZero()}
		switch {
		case f.reading || f.over:
		case node == g.Node:
			own = append(own, f)
		default:
			if others[a] == nil {
				order = append(order, a)
			}
			others[a] = append(others[a], f)
		}
	}
	for id, f := range g.feeds {
		if !there[id] && !f.reading {
			delete(g.feeds, id)
		}
	}
	return own, others, order
}

// readOwn reads containers of this node.
func (g *gathering) readOwn(ctx context.Context, feeds []*feed) {
	width := len(feeds)
	if !g.opts.Follow {
		width = atOnce
	}
	room := make(chan struct{}, max(width, 1))
	for _, f := range feeds {
		f.reading = true
		g.readers.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			err := read(ctx, g.Executor, f.task.ID, g.opts, func(m Message) error { return g.put(ctx, g.Node, f, m) })
			if !ended(err) && !errors.Is(err, executor.ErrNoContainer) {
				_ = g.put(ctx, g.Node, f, Message{Err: fmt.Errorf("the logs of task %s on this node cannot be read: %w", f.task.ID, err)})
			}
			g.finish(f)
		})
	}
}

// ask has another node send the output of tasks, or says why it cannot; then it returns when to try again.
func (g *gathering) ask(ctx context.Context, v store.View, a asking, feeds []*feed) (retry time.Time) {
	out := g.outages[a.node]
	if out == nil {
		out = &outage{}
		g.outages[a.node] = out
	}
	why, gone := absence(v, a.node)
	if why == "" && g.Relay == nil {
		why = "cannot be asked"
	}
	if why != "" {
		if !out.told {
			out.told = true
			g.tell(ctx, a.node, feeds, fmt.Errorf("node %s %s: its logs are not shown", nodeName(v, a.node), why))
		}
		for _, f := range feeds {
			f.over = f.over || gone
		}
		return time.Time{} // a change of the node's row is waited for
	}
	if out.retry.After(g.Clock.Now()) {
		return out.retry
	}
	for _, f := range feeds {
		f.reading, f.skip = true, f.last
	}
	name := nodeName(v, a.node)
	g.readers.Go(func() { g.relay(ctx, a, name, feeds) })
	return time.Time{}
}

// tell says why a node's output is missing. It says so in the name of the first of its tasks, for clients show no line
// that is nobody's. It has a goroutine of its own, for the reader may be slow.
func (g *gathering) tell(ctx context.Context, node model.ID, feeds []*feed, err error) {
	t := feeds[0].task
	g.readers.Go(func() {
		_ = g.out.put(ctx, Message{Node: node, Service: t.ServiceID, Task: t.ID, Stderr: true, Err: err}) // fails only when nobody listens
	})
}

// relay reads what a node sends until that ends or is lost.
func (g *gathering) relay(ctx context.Context, a asking, name string, feeds []*feed) {
	byTask := map[model.ID]*feed{}
	var ids []model.ID
	for _, f := range feeds {
		byTask[f.task.ID] = f
		ids = append(ids, f.task.ID)
	}
	opened, err := g.receive(ctx, a, ids, byTask)
	g.mu.Lock()
	out := g.outages[a.node]
	if opened {
		out.told, out.tries = false, 0
	}
	lost := err != nil && ctx.Err() == nil
	told := out.told
	if lost {
		out.told = true
		out.retry = g.Clock.Now().Add(min(retryFirst<<min(out.tries, 10), retryMost))
		out.tries++
	}
	for _, f := range feeds {
		f.reading, f.over = false, !lost
	}
	g.mu.Unlock()
	if lost && !told {
		g.tell(ctx, a.node, feeds, fmt.Errorf("node %s does not send its logs: %w", name, err))
	}
	g.poke()
}

// receive opens a node's stream and hands on what comes.
func (g *gathering) receive(ctx context.Context, a asking, ids []model.ID, byTask map[model.ID]*feed) (opened bool, err error) {
	opts := g.opts
	if a.resumed {
		opts.Tail = -1
		first := slices.MinFunc(ids, func(x, y model.ID) int { return byTask[x].skip.Compare(byTask[y].skip) })
		opts.Since = byTask[first].skip
	}
	s, err := g.Relay.Open(ctx, a.node, ids, opts)
	if err != nil {
		return false, err
	}
	defer s.Close()
	for {
		m, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return true, err
		}
		f := byTask[m.Task]
		if f == nil || !m.Time.IsZero() && !m.Time.After(f.skip) {
			continue // not asked for, or shown before
		}
		if err := g.put(ctx, a.node, f, m); err != nil {
			return true, err
		}
	}
}

// put hands a task's message on.
func (g *gathering) put(ctx context.Context, node model.ID, f *feed, m Message) error {
	m.Task, m.Service, m.Node = f.task.ID, f.task.ServiceID, node
	m.Stderr = m.Stderr || m.Err != nil
	if err := g.out.put(ctx, m); err != nil {
		return err
	}
	if m.Time.After(f.last) {
		g.mu.Lock()
		f.last = m.Time
		g.mu.Unlock()
	}
	return nil
}

func (g *gathering) finish(f *feed) {
	g.mu.Lock()
	f.reading, f.over = false, true
	g.mu.Unlock()
	g.poke()
}

func (g *gathering) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}
