package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/moby/client"
)

// Engine is a private Docker Engine. Its methods may be called from several goroutines, except Restart and Stop, which
// belong to one owner.
type Engine struct {
	cfg   Config
	files paths
	state state
	api   *client.Client

	// keep is the attached engine's lifeline: the first process ends when it is closed. Nil for a detached one.
	keep *os.File
	// ended is closed when the dockerd this process started has ended; nil in an engine got from Open.
	ended chan struct{}
	// first is set when this process started the namespaces and so has to reap their first process.
	first    *exec.Cmd
	stopOnce sync.Once
	stopErr  error
}

// Start starts an engine and returns when it answers on its socket. The context bounds the start only; end the engine
// with Stop. After an error nothing is left running.
func Start(ctx context.Context, cfg Config) (*Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("starting an engine: %w", err)
	}
	e := &Engine{cfg: cfg, files: paths(cfg.Dir)}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting an engine in %s: %w", cfg.Dir, err), e.Stop())
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context) error {
	var err error
	if e.api, err = client.New(client.WithHost(e.Host())); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if err := e.prepareDir(); err != nil {
		return err
	}
	if err := e.boot(ctx); err != nil {
		return err
	}
	if e.cfg.Network == HostNetwork {
		if err := e.makeHostNetwork(ctx); err != nil {
			return err
		}
	}
	if err := e.saveState(); err != nil {
		return err
	}
	return e.startDaemon(ctx)
}

// Open finds the detached engine another process started in dir.
func Open(dir string) (*Engine, error) {
	cfg, err := Config{Dir: dir, Detached: true}.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("opening an engine: %w", err)
	}
	e := &Engine{cfg: cfg, files: paths(cfg.Dir)}
	if e.state, err = loadState(e.files.state()); err != nil {
		return nil, fmt.Errorf("opening the engine in %s: %w", cfg.Dir, err)
	}
	e.cfg.Network, e.cfg.Program, e.cfg.Args = e.state.Network, e.state.Program, e.state.Args
	if e.api, err = client.New(client.WithHost(e.Host())); err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return e, nil
}

// Host is the engine's address as the docker CLI wants it: unix://….
func (e *Engine) Host() string { return "unix://" + e.Socket() }

// Socket is the path of the engine's socket.
func (e *Engine) Socket() string { return e.files.socket() }

// Log is the path of the engine's log.
func (e *Engine) Log() string { return e.files.log() }

// Client is a client of this engine that agrees on an API version at its first call. It is closed by Stop.
func (e *Engine) Client() *client.Client { return e.api }

// NetNS is the path of the network namespace the engine lives in; with HostNetwork that of the machine.
func (e *Engine) NetNS() string { return "/proc/" + strconv.Itoa(e.state.FirstPID) + "/ns/net" }

// Plugins is where the engine finds the sockets of its plugins, as seen from outside.
func (e *Engine) Plugins() string {
	return "/proc/" + strconv.Itoa(e.state.FirstPID) + "/root/run/docker/plugins"
}

// Beside is a command that runs in all of the engine's namespaces, as a daemon on the same host does. Its process is a
// child of the command's, which ends with it and with its exit code; see [Child].
func (e *Engine) Beside(ctx context.Context, name string, args ...string) *exec.Cmd {
	ns := filepath.Dir(e.NetNS())
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + ns + "/net", "--mount=" + ns + "/mnt", "--pid=" + ns + "/pid", "--", name}, args...)...)
}

// Child is the process that a command made by [Engine.Beside] has put into the engine's namespaces; false: there is none
// yet, or any more.
func Child(cmd *exec.Cmd) (*os.Process, bool) {
	pid := strconv.Itoa(cmd.Process.Pid)
	children, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	if err != nil {
		return nil, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		return nil, false
	}
	p, err := os.FindProcess(n)
	return p, err == nil
}

// Command is a command that runs in the engine's network (and only that: files and processes are the caller's).
func (e *Engine) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + e.NetNS(), "--", name}, args...)...)
}
