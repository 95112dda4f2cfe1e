package logs

import (
	"context"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Relayer has other nodes send the output of their tasks.
type Relayer interface {
	// Open returns when the node has begun to send, or why it does not. The stream ends with io.EOF when all the tasks'
	// output has come; its messages name their task. Any other error means that the connection was lost.
	Open(ctx context.Context, node model.ID, tasks []model.ID, opts Options) (Stream, error)
}

// Cluster is the output of tasks on all nodes. It implements [Source].
type Cluster struct {
	Local           // this manager's own node
	Relay Relayer   // nil: other nodes cannot be asked
	Clock env.Clock // nil: the machine's
}

var _ Source = Cluster{}

// Logs implements [Source].
func (c Cluster) Logs(ctx context.Context, sel Selector, opts Options) (Stream, error) {
	if c.Clock == nil {
		c.Clock = env.Real()
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{messages: make(chan Message, 64), cancel: cancel, done: make(chan struct{})}
	g := &gathering{Cluster: c, out: s, sel: sel, opts: opts, feeds: map[model.ID]*feed{}, outages: map[model.ID]*outage{}, wake: make(chan struct{}, 1)}
	go func() {
		defer close(s.done)
		defer close(s.messages)
		defer cancel()
		g.run(ctx)
	}()
	return s, nil
}

func selected(v store.View, sel Selector) []*model.Task {
	if !sel.Task.IsZero() {
		if t := store.Tasks.ByID(v, sel.Task); t != nil {
			return []*model.Task{t}
		}
		return nil
	}
	var out []*model.Task
	for t := range store.TasksOf(v, sel.Service) {
		out = append(out, t)
	}
	return out
}

// exists reports whether what was selected is there, even if it has no task yet.
func exists(v store.View, sel Selector, tasks []*model.Task) bool {
	return len(tasks) > 0 || store.Services.ByID(v, sel.Service) != nil
}

// home is the node that has a task's container; zero while there is none.
func home(v store.View, t *model.Task) model.ID {
	p, st := store.Placements.ByID(v, t.ID), store.Statuses.ByID(v, t.ID)
	if p == nil || st == nil || st.Container == [32]byte{} || st.State < model.StateStarting {
		return model.ID{}
	}
	return p.NodeID
}

// absence says why a node cannot be asked; empty: it can. gone: it never will be.
func absence(v store.View, node model.ID) (why string, gone bool) {
	st := store.NodeStates.ByID(v, node)
	switch {
	case st == nil:
		return "was removed from the cluster", true
	case st.State == model.ReachReady:
		return "", false
	case st.State == model.ReachDown:
		return "is down", false
	}
	return "is not connected", false
}

// nodeName is what a node is called in messages.
func nodeName(v store.View, node model.ID) string {
	if st := store.NodeStates.ByID(v, node); st != nil {
		if name := st.Description.Get().Hostname; name != "" {
			return name
		}
	}
	return node.String()
}
