package hosts

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// Lab is a lab on this machine. Its methods may be called from several goroutines and several processes.
type Lab struct {
	cfg      Config
	state    state
	machines []machine
	hosts    []*Host

	mu sync.Mutex
	// lives are the lifelines of the machines this process started and that end with it.
	lives []lifeline
	// reaping are the goroutines that wait for first processes this process started.
	reaping sync.WaitGroup
}

// Open finds the lab another process made in dir.
func Open(dir string) (*Lab, error) {
	dir, err := resolve(dir)
	if err != nil {
		return nil, err
	}
	s, err := loadState(dir)
	if err != nil {
		return nil, err
	}
	s.Config.Dir = dir
	cfg, err := s.Config.complete()
	if err != nil {
		return nil, err
	}
	return newLab(cfg, s)
}

func newLab(cfg Config, s state) (*Lab, error) {
	l := &Lab{cfg: cfg, state: s, machines: plan(cfg)}
	for _, m := range l.machines {
		h, err := newHost(l, m)
		if err != nil {
			return nil, err
		}
		l.hosts = append(l.hosts, h)
	}
	return l, nil
}

// Dir is the lab's directory.
func (l *Lab) Dir() string { return l.cfg.Dir }

// Hosts are the lab's hosts, managers first.
func (l *Lab) Hosts() []*Host { return l.hosts[1 : len(l.hosts)-1] }

// Switch is what the machines are plugged into: what passes between them passes there.
func (l *Lab) Switch() *Host { return l.hosts[0] }

// Client is the machine on the same switch that is no host.
func (l *Lab) Client() *Host { return l.hosts[len(l.hosts)-1] }

// Find finds a host, or the client, by its name.
func (l *Lab) Find(name string) (*Host, error) {
	var names []string
	for _, h := range l.hosts[1:] {
		if h.Name == name {
			return h, nil
		}
		names = append(names, h.Name)
	}
	return nil, fmt.Errorf("no host is called %q; there are %s", name, strings.Join(names, ", "))
}

// Host is Find for callers that made the lab and know its hosts; a name that is none of theirs is a mistake in the
// program, and it panics.
func (l *Lab) Host(name string) *Host {
	h, err := l.Find(name)
	if err != nil {
		panic(err)
	}
	return h
}

func (l *Lab) machineDir(name string) string { return filepath.Join(l.cfg.Dir, name) }

// engineFirewall says, in the environment, where the machine's engines write their firewall's rules: iptables or nftables.
const engineFirewall = "SKEP_LAB_ENGINE_FIREWALL"

func (l *Lab) cgroup() string { return "/skep-lab-" + l.state.ID }

// spec is what a machine's first process is told.
func (l *Lab) spec(m machine) guest.Spec {
	s := guest.Spec{
		Name: m.Name, Address: prefix(m.Address), Address6: netip.PrefixFrom(m.address6(), 64), Bridge: m.Role == theSwitch, Cgroup: l.cgroup() + "/" + m.Name,
	}
	if !s.Bridge {
		s.Gateway, s.Gateway6 = l.machines[0].Address, l.machines[0].address6()
	}
	if m.host() {
		s.Strict = m.strict()
		s.Open = os.Getenv(engineFirewall) == "nftables"
		s.Programs = l.programs(m)
		s.Own = l.cfg.Bare
		if l.cfg.Systemd {
			s.Systemd, s.Shares = true, []string{l.sshDir()}
		}
	}
	return s
}

// keep takes a started machine's lifeline: a detached one is told to go on alone.
func (l *Lab) keep(life lifeline) error {
	if l.cfg.Detached {
		return errors.Join(life.say(guest.Detach), life.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lives = append(l.lives, life)
	return nil
}

func (l *Lab) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.cfg.Progress, format+"\n", args...)
}

// lockAll runs a function that changes what the machines share.
func (l *Lab) lockAll(f func() error) error { return locked(filepath.Join(l.cfg.Dir, "lock"), f) }

// lastLines is the end of a file, for an error's text.
func lastLines(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
