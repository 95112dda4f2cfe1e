package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Network says in which network an engine lives.
type Network int

const (
	// PrivateNetwork is a network namespace of its own with nothing but a loopback device in it: several engines never
	// collide and every engine has its own iptables. Published ports are reached through Engine.DialContext.
	PrivateNetwork Network = iota
	// HostNetwork is the network of the machine: published ports are the machine's. The engine gets a bridge of its own
	// name and an address pool that no route of the machine overlaps.
	HostNetwork
)

// Resolver says what the engine (not its containers) is told about DNS.
type Resolver int

const (
	// RefusingResolver is a loopback address where nothing listens: every look-up fails at once.
	RefusingResolver Resolver = iota
	// HostResolver is the machine's own /etc/resolv.conf.
	HostResolver
)

// Config describes one engine.
type Config struct {
	// Dir holds all its state and is created if missing; the engine's data stays there after Stop. Its path must leave
	// room for a socket name in the 107 bytes a Unix address may have.
	Dir      string
	Network  Network
	Resolver Resolver
	// Detached engines outlive the process that started them; end them with Open(dir) and Stop.
	Detached bool
	// Program is the engine's program; empty means dockerd on the PATH.
	Program string
	// Args are appended to the engine's command line, e.g. "--live-restore" or "-H", "tcp://127.0.0.1:2375".
	Args []string
}

// longestDir leaves room for the longest socket the engine makes below Dir: exec/containerd/containerd.sock.ttrpc.
const longestDir = 107 - len("/exec/containerd/containerd.sock.ttrpc")

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("no directory given for the engine")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("finding the engine's directory %q: %w", c.Dir, err)
	}
	if len(dir) > longestDir {
		return c, fmt.Errorf("engine directory %s is %d bytes long: sockets below it allow %d, choose a shorter one", dir, len(dir), longestDir)
	}
	if os.Geteuid() != 0 {
		return c, errors.New("a private engine needs root: it makes namespaces and mounts")
	}
	c.Dir = dir
	if c.Program == "" {
		c.Program = "dockerd"
	}
	return c, nil
}

// paths are the files of one engine below its directory.
type paths string

func (p paths) socket() string     { return filepath.Join(string(p), "docker.sock") }
func (p paths) data() string       { return filepath.Join(string(p), "data") }
func (p paths) exec() string       { return filepath.Join(string(p), "exec") }
func (p paths) pidfile() string    { return filepath.Join(string(p), "dockerd.pid") }
func (p paths) log() string        { return filepath.Join(string(p), "dockerd.log") }
func (p paths) resolvConf() string { return filepath.Join(string(p), "resolv.conf") }
func (p paths) etcDocker() string  { return filepath.Join(string(p), "etc-docker") }
func (p paths) state() string      { return filepath.Join(string(p), "engine.json") }
