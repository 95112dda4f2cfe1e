package fleet

import (
	"context"
	"slices"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/provision"
)

// State is what is known of a machine now.
type State struct {
	Machine provision.Machine `json:"machine"`
	Found   provision.Found   `json:"found"`
	Version string            `json:"version,omitempty"` // of the daemon
	NodeID  string            `json:"nodeId,omitempty"`
	// Node is the state in its cluster, as docker info and docker node ls say it: inactive, active, Ready, Leader …
	Node string `json:"node"`
	Err  string `json:"err,omitempty"`
}

// Look asks machines how they are; no names are all. It changes nothing.
func (f *Fleet) Look(ctx context.Context, names []string) ([]State, error) {
	wanted, err := f.named(names)
	if err != nil {
		return nil, err
	}
	all, err := f.all(wanted)
	if err != nil {
		return nil, err
	}
	machines, lost := f.reach(ctx, all)
	defer closeAll(machines)
	states := make([]State, len(wanted))
	ns := nodes(ctx, machines, lost, all)
	told := slices.ContainsFunc(ns, func(n provision.Node) bool { return n.Ready })
	each(len(wanted), func(i int) {
		states[i] = State{Machine: wanted[i], NodeID: ns[i].ID, Node: nodeState(ns[i], told)}
		if ns[i].Err != nil {
			states[i].Err = ns[i].Err.Error()
		}
		if m := find(machines, wanted[i].Name); m != nil {
			states[i].Found, states[i].Version = m.found, m.version(ctx)
		}
	})
	return states, nil
}

// nodeState is a node's state in a few words; told says whether a manager has told of it.
func nodeState(n provision.Node, told bool) string {
	switch {
	case n.Err != nil:
		return "unreachable"
	case n.State != "active" || !told:
		return n.State
	case n.Leader:
		return "Ready, Leader"
	case n.Manager && n.Ready && n.Reachable:
		return "Ready, Reachable"
	case n.Manager && n.Ready:
		return "Ready, Unreachable"
	case n.Ready:
		return "Ready"
	}
	return "not ready"
}

// version is the daemon's; empty where none answers.
func (m *machine) version(ctx context.Context) string {
	if m.found.Running == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	v, err := m.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return ""
	}
	return provision.DaemonVersion(v.Components)
}

// Shell runs a person's command on a machine, at their terminal.
func (f *Fleet) Shell(ctx context.Context, name string, words []string, t provision.Terminal) error {
	m, err := f.Store.Get(name)
	if err != nil {
		return err
	}
	driver := f.Drivers[m.Driver]
	host, err := driver.Open(ctx, m)
	if err != nil {
		return err
	}
	defer func() { _ = host.Close() }()
	return host.Shell(ctx, words, t)
}
