package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/provision"
)

// Remove takes a machine out of its cluster and skep from its host, and forgets it. The engine stays. With force a machine
// that cannot be reached is removed too, from the cluster and from what is kept.
func (f *Fleet) Remove(ctx context.Context, name string, force bool) error {
	unlock, err := f.Store.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	wanted, err := f.Store.Get(name)
	if err != nil {
		return err
	}
	all, err := f.Store.All()
	if err != nil {
		return err
	}
	machines, lost := f.reach(ctx, all)
	defer closeAll(machines)
	ns := nodes(ctx, machines, lost, all)
	var n provision.Node
	var via *machine
	for _, one := range ns {
		switch m := find(machines, one.Machine.Name); {
		case one.Machine.Name == name:
			n = one
		case one.Control && m != nil:
			via = m
		}
	}
	m := find(machines, name)
	if via != nil {
		if err := provision.Spare(ns, name); err != nil {
			return fmt.Errorf("%s was not removed: %w", name, err)
		}
	}
	if m == nil && !force {
		return fmt.Errorf("%s cannot be reached, and was not removed; --force removes it from the cluster and forgets it: %w", name, lost[name])
	}
	if m != nil {
		err = m.remove(ctx, n, via, force)
	}
	// A daemon that does not answer cannot leave.
	if err == nil && (m == nil || n.Err != nil) {
		err = f.removeLost(ctx, wanted, via)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return f.Store.Forget(name)
}

// remove takes a machine that answers out of its cluster, and skep from its host.
func (m *machine) remove(ctx context.Context, n provision.Node, via *machine, force bool) error {
	if n.Err != nil && !force {
		return fmt.Errorf("%w: start it, or use --force", n.Err)
	}
	if n.Err == nil && n.State != "inactive" && n.State != provision.Absent {
		if err := m.leave(ctx, n, via, force); err != nil {
			return err
		}
	}
	return m.do(ctx, provision.Remove(m.found))
}

// leave takes the node out of the cluster: as a manager it is demoted first, which is refused where the majority would be
// lost.
func (m *machine) leave(ctx context.Context, n provision.Node, via *machine, force bool) error {
	if via == nil {
		if !force {
			return errors.New("no other manager among the machines answers: --force ends this node's part of the cluster, and the cluster if it is the last")
		}
		return m.step("leave the cluster", func() error {
			_, err := m.api.SwarmLeave(ctx, client.SwarmLeaveOptions{Force: true})
			return err
		})
	}
	if n.Manager {
		if err := m.step("demote", func() error { return demote(ctx, via, n.ID) }); err != nil {
			return err
		}
	}
	return m.step("leave the cluster", func() error {
		// As a manager it leaves once it has learnt that it is none any more.
		err := until(ctx, answerLimit, func(ctx context.Context) string {
			if _, err := m.api.SwarmLeave(ctx, client.SwarmLeaveOptions{Force: force}); err != nil && m.node(ctx).State != "inactive" {
				return err.Error()
			}
			return ""
		})
		if err != nil {
			return err
		}
		return removeNode(ctx, via, n.ID, force)
	})
}

// demote has a node be a worker. Which manager leads may change meanwhile, by this very change too: what was not written for
// sure is looked at again.
func demote(ctx context.Context, via *machine, id string) error {
	return until(ctx, askLimit, func(ctx context.Context) string {
		got, err := via.api.NodeInspect(ctx, id, client.NodeInspectOptions{})
		if err != nil {
			return err.Error()
		}
		spec := got.Node.Spec
		if spec.Role == swarm.NodeRoleWorker {
			return ""
		}
		spec.Role = swarm.NodeRoleWorker
		if _, err = via.api.NodeUpdate(ctx, id, client.NodeUpdateOptions{Version: got.Node.Version, Spec: spec}); err != nil {
			return err.Error()
		}
		return ""
	})
}

// removeNode waits until the managers count the node as down.
func removeNode(ctx context.Context, via *machine, id string, force bool) error {
	return until(ctx, answerLimit, func(ctx context.Context) string {
		if _, err := via.api.NodeRemove(ctx, id, client.NodeRemoveOptions{Force: force}); err != nil && !strings.Contains(err.Error(), "not found") {
			return err.Error()
		}
		return ""
	})
}

// removeLost removes the node of a machine that cannot be reached, by its address.
func (f *Fleet) removeLost(ctx context.Context, m provision.Machine, via *machine) error {
	if via == nil {
		f.say(m.Name, "no manager among the machines answers: its node was not removed from the cluster")
		return nil
	}
	at := m.Host
	if a, err := provision.ParseAddress(m.Host); err == nil && m.Driver == provision.SSH {
		at = a.Host
	}
	list, err := via.api.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return err
	}
	for _, n := range list.Items {
		if n.Status.Addr != at && n.Description.Hostname != at {
			continue
		}
		if n.ManagerStatus != nil {
			if err := demote(ctx, via, n.ID); err != nil {
				return err
			}
		}
		return removeNode(ctx, via, n.ID, true)
	}
	f.say(m.Name, "which node it was is not known by its address: docker node ls and docker node rm on "+via.Name)
	return nil
}
