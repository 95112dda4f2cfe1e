package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// LabelNetworkID marks the engine's networks that stand for a cluster network, and says for which.
const LabelNetworkID = "skep.network.id"

// networks realises cluster networks on this engine.
type networks struct {
	api   *client.Client
	plane DataPlane

	mu   sync.Mutex // one network is made or removed at a time
	made map[model.ID]bool
	held map[model.ID]int // how many calls are about to put a plain container on it
}

// ensure makes what a task needs. Networks of the engine's own are the engine's matter.
func (n *networks) ensure(ctx context.Context, all []executor.Network) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, net := range all {
		if net.ID.IsZero() || n.made[net.ID] {
			continue
		}
		if net.Overlay() {
			if err := n.plane.Usable(); err != nil {
				return failed("network "+net.Name, err)
			}
		}
		if err := n.make(ctx, net); err != nil {
			return failed("network "+net.Name, err)
		}
		if n.made == nil {
			n.made = map[model.ID]bool{}
		}
		n.made[net.ID] = true
	}
	return nil
}

// hold keeps a network from being removed until it is released: the engine does not know yet who is about to join it.
func (n *networks) hold(id model.ID) (release func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held == nil {
		n.held = map[model.ID]int{}
	}
	n.held[id]++
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.held[id]--; n.held[id] == 0 {
			delete(n.held, id)
		}
	})
}

// forget makes the next ensure ask the engine again.
func (n *networks) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.made = nil
}

func (n *networks) make(ctx context.Context, net executor.Network) error {
	if there, err := n.there(ctx, net); there || err != nil {
		return err
	}
	options, err := createOptions(net, n.plane.Driver())
	if err != nil {
		return err
	}
	if err := n.takeSettings(ctx, &options); err != nil {
		return err
	}
	_, err = n.api.NetworkCreate(ctx, net.Name, options)
	return called(err)
}

// there reports whether the network exists, once: none of its name is beside it, which the engine would not tell from it.
// Another one of its name is in the way, unless it is left over from an earlier cluster network.
func (n *networks) there(ctx context.Context, net executor.Network) (bool, error) {
	list, err := n.api.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("name", net.Name)})
	if err != nil {
		return false, called(err)
	}
	var same []string
	for _, other := range list.Items { // the filter finds parts of names too
		switch label := other.Labels[LabelNetworkID]; {
		case other.Name != net.Name:
		case label == net.ID.String() && (!net.Overlay() || other.Driver == n.plane.Driver()):
			same = append(same, other.ID)
		case label == "":
			return false, fmt.Errorf("the node's engine has a network of this name that is not the cluster's: remove it there (docker network rm %s) or rename one of the two", net.Name)
		default:
			if err := n.clear(ctx, other.ID); err != nil {
				return false, err
			}
		}
	}
	return len(same) > 0, n.keepOne(ctx, same)
}

// keepOne leaves one of an engine's networks that stand for the same: the engine made it twice when it was asked again
// while it was at it, by a daemon that started anew. Of one at most there are containers, for none starts on either.
func (n *networks) keepOne(ctx context.Context, same []string) error {
	var busy error
	for i, left := 0, len(same); i < len(same) && left > 1; i++ {
		switch err := n.clear(ctx, same[i]); {
		case err == nil:
			left--
		case !errors.Is(err, executor.ErrBusy) || busy != nil:
			return err
		default:
			busy = err
		}
	}
	return nil
}

// clear takes away a network whose name is needed.
func (n *networks) clear(ctx context.Context, id string) error {
	return n.remove(ctx, id, "the earlier network of this name to go", "removing the earlier network of this name")
}

// remove takes a network away; one that is gone is as good. One that has containers stays, and what is waited for is said.
func (n *networks) remove(ctx context.Context, id, awaited, what string) error {
	_, err := n.api.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
	switch {
	case cerrdefs.IsPermissionDenied(err) || cerrdefs.IsConflict(err):
		return fmt.Errorf("%w for %s: %w", executor.ErrBusy, awaited, err)
	case err != nil && !cerrdefs.IsNotFound(err):
		return failed(what, called(err))
	}
	return nil
}

// prune removes the networks that stand for none of what keep returns. Those that still have containers stay, or are about
// to have one, and the error is executor.ErrBusy unless there is a worse one: the caller comes again.
func (n *networks) prune(ctx context.Context, keep func() []model.ID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	wanted := map[string]bool{}
	for _, id := range keep() {
		wanted[id.String()] = true
	}
	list, err := n.api.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("label", LabelNetworkID)})
	if err != nil {
		return failed("listing the cluster's networks on the engine", called(err))
	}
	var errs []error
	for _, net := range list.Items {
		label := net.Labels[LabelNetworkID]
		if wanted[label] {
			continue
		}
		id, _ := model.ParseID(label) // no id of a network is zero, so none is held or made under it
		if n.held[id] > 0 {
			errs = append(errs, fmt.Errorf("%w for a container to join network %s", executor.ErrBusy, net.Name))
			continue
		}
		if n.awaited(ctx, net.Name) {
			continue
		}
		if err := n.remove(ctx, net.ID, "containers to leave network "+net.Name, "removing network "+net.Name); err != nil {
			errs = append(errs, err)
			continue
		}
		delete(n.made, id)
	}
	return errors.Join(errs...)
}

// awaited reports whether a plain container that does not run is to be on a network when it is started: no task needs the
// network, and the engine would remove it. Of one never started the engine knows the name alone. Ended tasks are not
// started again.
func (n *networks) awaited(ctx context.Context, network string) bool {
	list, err := n.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("network", network)})
	if err != nil {
		return false // the removal will meet the same
	}
	return slices.ContainsFunc(list.Items, func(c container.Summary) bool {
		return c.State != container.StateRunning && c.Labels[executor.LabelTaskID] == ""
	})
}

// PruneNetworks removes from the engine the cluster networks that are not among keep: those of the tasks assigned here. It asks
// keep while no network can be made: one that a task assigned meanwhile has just found there stays. One that still has containers
// stays too; the error then is executor.ErrBusy.
func (e *Executor) PruneNetworks(ctx context.Context, keep func() []model.ID) error {
	return e.networks.prune(ctx, keep)
}

// BringNetwork makes a cluster network on the engine before any task needs it, for plain containers. The network stays until
// release is called, and as long as a container is on it or is to be when it is started. After an error there is nothing to release.
func (e *Executor) BringNetwork(ctx context.Context, net executor.Network) (release func(), err error) {
	release = e.networks.hold(net.ID)
	e.networks.forget() // what the engine has may have been removed by its users
	if err := e.networks.ensure(ctx, []executor.Network{net}); err != nil {
		release()
		return nil, err
	}
	return release, nil
}
