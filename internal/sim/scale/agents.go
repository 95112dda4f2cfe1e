package scale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor/simulated"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/node/remote"
	"golang.org/x/sync/errgroup"
)

// agentsSetup is what a process of agents is told.
type agentsSetup struct {
	Passes   string // file with the nodes' keys
	First    int    // number of the first agent, for its address
	Managers []remote.Manager
	Seed     uint64
}

// agentsRole is a process of agents.
type agentsRole struct {
	setup  agentsSetup
	passes []pass
	read   atomic.Int64 // bytes, of all connections
	wrote  atomic.Int64
	links  []*remote.AgentDialer
}

func newAgentsRole(s agentsSetup) (*agentsRole, error) {
	passes, err := readPasses(s.Passes)
	if err != nil {
		return nil, err
	}
	return &agentsRole{setup: s, passes: passes}, nil
}

func (a *agentsRole) run(ctx context.Context, ready func(any)) error {
	g, ctx := errgroup.WithContext(ctx)
	var agents []*agent.Agent
	for i, p := range a.passes {
		one, dialer, err := a.agent(i, p)
		if err != nil {
			return err
		}
		defer dialer.Close()
		agents = append(agents, one)
	}
	ready(nil)
	for i, one := range agents {
		g.Go(func() error {
			// They come one after the other: agents and managers share this machine's processors, and a handshake takes both.
			if err := env.Real().Pause(ctx, time.Duration(i)*time.Second/arrivals); err != nil {
				return err
			}
			return one.Run(ctx)
		})
	}
	return g.Wait()
}

// arrivals is how many agents of a process come in a second.
const arrivals = 150

// agent makes the i-th agent with all that is its own: certificate, address, connection, engine.
func (a *agentsRole) agent(i int, p pass) (*agent.Agent, *remote.Dialer, error) {
	from := &net.TCPAddr{IP: net.ParseIP(address(a.setup.First + i))}
	world := env.Real()
	dialer := remote.NewDialer(remote.DialerConfig{
		Keys: func() identity.Keys { return p.Keys }, Env: world,
		Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			d := net.Dialer{LocalAddr: from}
			c, err := d.DialContext(ctx, "tcp", addr)
			if err != nil {
				return nil, err
			}
			return &counted{c, a}, nil
		},
	})
	sessions := remote.NewAgentDialer(func() []remote.Manager { return a.setup.Managers }, dialer)
	a.links = append(a.links, sessions)
	// What starts how fast is drawn from the seed; ids and keys are not.
	engine := simulated.NewEngine(env.Seeded(a.setup.Seed+uint64(a.setup.First+i), world.Clock), simulated.Config{
		Node:    description(a.setup.First + i),
		Prepare: simulated.Range{Min: 10 * time.Millisecond, Max: 60 * time.Millisecond},
		Start:   simulated.Range{Min: 40 * time.Millisecond, Max: 140 * time.Millisecond},
		Stop:    simulated.Range{Max: 100 * time.Millisecond},
	})
	one, err := agent.NewAgent(agent.Config{
		Options: agent.Options{NodeID: p.ID}, Env: world, Executor: engine.Executor(), Dialer: sessions, Log: slog.New(slog.DiscardHandler),
	})
	return one, dialer, err
}

func description(n int) swarm.NodeDescription {
	d := swarm.NodeDescription{Hostname: fmt.Sprintf("n%05d", n), Platform: swarm.Platform{OS: "linux", Architecture: "x86_64"}}
	d.Resources = swarm.Resources{NanoCPUs: 64e9, MemoryBytes: 256 << 30}
	d.Engine.EngineVersion = "20.10.24"
	return d
}

// agentsState is how a process of agents stands.
type agentsState struct {
	Connected   int
	Read, Wrote int64 // bytes
}

func (a *agentsRole) answer(_ context.Context, q question) (any, error) {
	if q.Do != "state" {
		return nil, errors.New("agents only tell how they stand")
	}
	s := agentsState{Read: a.read.Load(), Wrote: a.wrote.Load()}
	for _, l := range a.links {
		if l.Connected() {
			s.Connected++
		}
	}
	return s, nil
}

// counted counts the bytes of a connection, TLS included.
type counted struct {
	net.Conn
	of *agentsRole
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.of.read.Add(int64(n))
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.of.wrote.Add(int64(n))
	return n, err
}
