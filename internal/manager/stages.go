package manager

import (
	"context"
	"log/slog"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/manager/allocator"
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/manager/orchestrator"
	"github.com/skep-org/skep/internal/manager/revisions"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/manager/rotation"
	"github.com/skep-org/skep/internal/manager/scheduler"
	"github.com/skep-org/skep/internal/manager/volumes"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
	"golang.org/x/sync/errgroup"
)

// stages are what runs during one leader term.
type stages struct {
	loops      []*control.Loop
	beside     []func(context.Context) error
	dispatcher *dispatcher.Server
}

// Planners lists the planners of a term, in the order a spec passes them. They keep state of their own, so each term
// has new ones.
func Planners(e env.Env) []control.Planner {
	return []control.Planner{
		orchestrator.New(func() model.ID { return e.NewID() }),
		allocator.New(),
		scheduler.New(),
		revisions.New(),
		roles.New(),
		rotation.New(),
		volumes.New(),
		volumes.NewReaper(),
	}
}

// Stages makes the stages of a term. What is beside them has effects outside the store; it runs for as long.
func Stages(e env.Env, beside ...func(context.Context) error) func(*store.Store, store.Committer, uint64) Term {
	return StagesWith(e, slog.New(slog.DiscardHandler), nil, beside...)
}

// StagesWith are Stages that say in a log what goes wrong, and ask d for secrets which drivers keep.
func StagesWith(e env.Env, log *slog.Logger, d dispatcher.SecretDrivers, beside ...func(context.Context) error) func(*store.Store, store.Committer, uint64) Term {
	return func(s *store.Store, c store.Committer, self uint64) Term {
		t := &stages{dispatcher: dispatcher.NewServer(s, c, e), beside: beside}
		t.dispatcher.Lead(self)
		t.dispatcher.UseLog(log)
		t.dispatcher.UseDrivers(d)
		for _, p := range Planners(e) {
			t.loops = append(t.loops, control.NewLoop(p, s, c, e))
		}
		return t
	}
}

// Run implements [Term].
func (t *stages) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range t.loops {
		g.Go(func() error { return l.Run(ctx) })
	}
	for _, run := range t.beside {
		g.Go(func() error { return run(ctx) })
	}
	g.Go(func() error { return t.dispatcher.Run(ctx) })
	return g.Wait()
}

// Connect implements [Term].
func (t *stages) Connect(node model.ID, addr string) wire.Session {
	return t.dispatcher.Connect(node, addr)
}

// Ask implements [Term].
func (t *stages) Ask(ctx context.Context, node model.ID, msg *wire.ManagerMessage) error {
	return t.dispatcher.Ask(ctx, node, msg)
}
