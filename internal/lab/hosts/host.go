package hosts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// Host is a machine of the lab: one with an engine and a daemon, or the client, which has neither.
type Host struct {
	Name    string
	Role    Role
	Address netip.Addr
	// Address6 is its IPv6 address on the lab's network; nothing of the cluster uses it unless it is asked to.
	Address6 netip.Addr

	lab    *Lab
	m      machine
	engine *client.Client
	skep   *client.Client
}

func newHost(l *Lab, m machine) (*Host, error) {
	h := &Host{Name: m.Name, Role: m.Role, Address: m.Address, Address6: m.address6(), lab: l, m: m}
	if !m.host() {
		return h, nil
	}
	var err error
	if h.engine, err = client.New(client.WithHost(h.EngineHost())); err != nil {
		return nil, fmt.Errorf("making a client of %s's engine: %w", m.Name, err)
	}
	if h.skep, err = client.New(client.WithHost(h.DockerHost())); err != nil {
		return nil, fmt.Errorf("making a client of %s: %w", m.Name, err)
	}
	return h, nil
}

// DockerHost is where docker commands outside the host reach its cluster: skep's socket, or with DockerSwarm the
// engine's. It is the same after a restart of the host.
func (h *Host) DockerHost() string {
	return "unix://" + filepath.Join(places(h.dir()).run(), h.socket())
}

// EngineHost is where docker commands outside the host reach its engine.
func (h *Host) EngineHost() string {
	return "unix://" + filepath.Join(places(h.dir()).run(), engineSocket)
}

// socket is that of docker commands on the host, below its /run.
func (h *Host) socket() string {
	if h.lab.cfg.DockerSwarm {
		return engineSocket
	}
	return skepSocket
}

// Docker is an API client at DockerHost. It works again after the host was off, and is closed by Lab.Down.
func (h *Host) Docker() *client.Client { return h.skep }

// Engine is an API client of the host's engine, like Docker.
func (h *Host) Engine() *client.Client { return h.engine }

// Log is the path of a program's log: Engine or Daemon.
func (h *Host) Log(program string) string { return guest.Log(h.dir(), program) }

// Running tells whether the host is on (which it is, too, while it is paused).
func (h *Host) Running() (bool, error) {
	pid, err := firstProcess(h.dir())
	return pid != 0, err
}

func (h *Host) dir() string { return h.lab.machineDir(h.Name) }

func (h *Host) locked(f func() error) error { return locked(places(h.dir()).lock(), f) }

// ready waits until a host's engine and daemon answer.
func (h *Host) ready(ctx context.Context) error {
	if h.lab.cfg.Bare {
		return h.readySSH(ctx)
	}
	if err := h.answers(ctx, h.engine, Engine); err != nil || h.lab.cfg.DockerSwarm {
		return err
	}
	return h.answers(ctx, h.skep, Daemon)
}

// answers waits until a program answers at its socket.
func (h *Host) answers(ctx context.Context, api *client.Client, program string) error {
	err := until(ctx, program+" answers", func() (bool, error) {
		if on, err := h.Running(); !on || err != nil {
			return false, errors.Join(errors.New("the host has ended"), err)
		}
		_, err := api.Ping(ctx, client.PingOptions{})
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w; the end of %s: %s", err, h.Log(program), lastLines(h.Log(program), 3))
	}
	return nil
}
