package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/node"
	"github.com/skep-org/skep/internal/provision"
)

const (
	// answerLimit is how long a daemon that was started may take to answer.
	answerLimit = 90 * time.Second
	// askLimit is for one question to a daemon: one that cannot reach its managers says so before.
	askLimit = 20 * time.Second
	// lookEvery is how often something is looked at that is waited for.
	lookEvery = 250 * time.Millisecond
)

// stdio is a connection to the host's daemon: through a program there, since not every SSH server forwards sockets, and
// not everyone who may become root may use the daemon's.
type stdio struct {
	net.Conn
	cancel context.CancelFunc
}

func (s stdio) Close() error {
	err := s.Conn.Close()
	s.cancel()
	return err
}

// DialCommand is the hidden command that is the daemon's socket for whoever runs it.
const DialCommand = "dial-stdio"

// client is the API of the host's daemon.
func (m *machine) client() (*client.Client, error) {
	dial := func(context.Context, string, string) (net.Conn, error) {
		ctx, cancel := context.WithCancel(context.Background()) // the connection outlives the call that makes it
		here, there := net.Pipe()
		program := provision.Program
		m.talks.Go(func() {
			defer cancel()
			_ = m.host.Run(ctx, program+" machine "+DialCommand, there, there)
			_ = there.Close()
		})
		return stdio{here, cancel}, nil
	}
	return client.New(client.WithHost(node.DefaultHost), client.WithDialContext(dial))
}

// node asks the host's daemon what it is.
func (m *machine) node(ctx context.Context) provision.Node {
	n := provision.Node{Machine: m.Machine}
	if m.found.Program == "" && m.found.Unit == "" {
		n.State = provision.Absent
		return n
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	got, err := m.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		n.Err = fmt.Errorf("its daemon does not answer: %w", err)
		return n
	}
	s := got.Info.Swarm
	n.State, n.StateErr, n.ID, n.Control = string(s.LocalNodeState), s.Error, s.NodeID, s.ControlAvailable
	if s.Cluster != nil {
		n.Cluster = s.Cluster.ID
	}
	for _, manager := range s.RemoteManagers {
		if manager.NodeID == s.NodeID {
			n.Addr = manager.Addr
		}
	}
	return n
}

// nodes asks every machine, and a manager about all. Managers that are none of the machines are added.
func nodes(ctx context.Context, machines []*machine, lost map[string]error, all []provision.Machine) []provision.Node {
	got := ask(ctx, machines, lost, all)
	for _, n := range got {
		if !n.Control {
			continue
		}
		if more, err := about(ctx, find(machines, n.Machine.Name), got); err == nil {
			return append(got, more...)
		}
	}
	return got
}

// nodesBy asks machines, and one manager about them.
func nodesBy(ctx context.Context, machines []*machine, manager *machine, all []provision.Machine) []provision.Node {
	got := ask(ctx, machines, nil, all)
	if _, err := about(ctx, manager, got); err != nil {
		for i := range got {
			got[i].Err = errors.Join(got[i].Err, fmt.Errorf("%s does not tell of it: %w", manager.Name, err))
		}
	}
	return got
}

func ask(ctx context.Context, machines []*machine, lost map[string]error, all []provision.Machine) []provision.Node {
	got := make([]provision.Node, len(all))
	each(len(all), func(i int) {
		got[i] = provision.Node{Machine: all[i], Err: lost[all[i].Name]}
		if m := find(machines, all[i].Name); m != nil {
			got[i] = m.node(ctx)
		}
	})
	return got
}

// about has a manager tell of nodes, and of managers besides.
func about(ctx context.Context, manager *machine, of []provision.Node) (more []provision.Node, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	list, err := manager.api.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return nil, err
	}
	for _, said := range list.Items {
		n := &provision.Node{Machine: provision.Machine{Name: said.Description.Hostname}, State: string(swarm.LocalNodeStateActive), ID: said.ID}
		known := false
		for i := range of {
			if of[i].ID == said.ID {
				n, known = &of[i], true
			}
		}
		n.Ready = said.Status.State == swarm.NodeStateReady
		if ms := said.ManagerStatus; ms != nil {
			n.Manager, n.Leader, n.Reachable = true, ms.Leader, ms.Reachability == swarm.ReachabilityReachable
			n.Addr = ms.Addr
		}
		if !known && n.Manager {
			more = append(more, *n)
		}
	}
	return more, nil
}

func find(machines []*machine, name string) *machine {
	for _, m := range machines {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// until repeats a look until it says nothing. After the limit the error is what it said last.
func until(ctx context.Context, limit time.Duration, look func(context.Context) string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		wrong := look(ctx)
		if wrong == "" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New(wrong)
		}
	}
}
