package node

import (
	"context"
	"errors"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/docker"
	"github.com/skep-org/skep/internal/model"
	"golang.org/x/sync/errgroup"
)

// leaveStops bounds how many containers are ended at a time when a node leaves.
const leaveStops = 32

// clearEngine ends and removes all a node's tasks and the networks and secrets made for them.
func clearEngine(ctx context.Context, engine string, e env.Env, node model.ID) (err error) {
	x, err := docker.New(docker.Options{Host: engine, NodeID: node, Files: filesOf(node), Env: e})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	list, err := x.List(ctx)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(leaveStops)
	for _, c := range list {
		g.Go(func() error {
			if err := x.Stop(gctx, c.TaskID); err != nil {
				return err
			}
			return x.Remove(gctx, c.TaskID)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	// A network that plain containers are on is theirs from now on.
	if err := x.PruneNetworks(ctx, func() []model.ID { return nil }); err != nil && !errors.Is(err, executor.ErrBusy) {
		return err
	}
	return x.RemoveFiles()
}
