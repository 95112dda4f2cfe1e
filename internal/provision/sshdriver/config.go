package sshdriver

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"

	"github.com/skep-org/skep/internal/provision"
)

// target is a host on the way to a machine, and how to log in there: what the machine says, then the configuration of ssh,
// then what ssh does by itself.
type target struct {
	name       string // as it was asked for
	user, host string
	port       int
	identities []string // files that the configuration names
	only       bool     // the agent's other keys are not to be tried
	known      []string // files of known hosts; none: where ssh keeps them
}

func (t target) dial() string { return net.JoinHostPort(t.host, strconv.Itoa(t.port)) }

// String is the host as people know it.
func (t target) String() string {
	if t.host != t.name {
		return fmt.Sprintf("%s (%s@%s)", t.name, t.user, t.dial())
	}
	if t.port != provision.SSHPort {
		return t.user + "@" + t.dial()
	}
	return t.user + "@" + t.host
}

// config is the configuration of ssh. Of several files the first that says something counts.
type config struct {
	files []*ssh_config.Config
	home  string
}

func (d *Driver) config() (*config, error) {
	c := &config{home: d.o.Home}
	for _, path := range d.o.Configs {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		file, err := ssh_config.DecodeBytes(text)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		c.files = append(c.files, file)
	}
	return c, nil
}

// get is what is said of a host; empty: nothing.
func (c *config) get(name, key string) string {
	for _, file := range c.files {
		if value, err := file.Get(name, key); err == nil && value != "" {
			return value
		}
	}
	return ""
}

// all is everything that is said of a host, where a key may be given several times.
func (c *config) all(name, key string) []string {
	var values []string
	for _, file := range c.files {
		if got, err := file.GetAll(name, key); err == nil {
			values = append(values, got...)
		}
	}
	return values
}

// mostJumps bounds a chain of hosts that each name another to go through.
const mostJumps = 8

// route is the way to a machine: the hosts to go through, the nearest first, and its own.
func (c *config) route(m provision.Machine) ([]target, error) {
	last, err := c.target(m.Host)
	if err != nil {
		return nil, err
	}
	jumps := m.Jumps()
	if m.Jump == "" {
		if jumps, err = c.jumps(last.name); err != nil {
			return nil, err
		}
	}
	way := []target{last}
	for len(jumps) > 0 {
		var some []target
		for _, at := range jumps {
			t, err := c.target(at)
			if err != nil {
				return nil, err
			}
			some = append(some, t)
		}
		way = append(some, way...)
		if len(way) > mostJumps {
			return nil, fmt.Errorf("the way to %s leads through more than %d hosts: see ProxyJump in ~/.ssh/config", m.Host, mostJumps)
		}
		if jumps, err = c.jumps(way[0].name); err != nil {
			return nil, err
		}
	}
	return way, nil
}

// jumps are the hosts that the configuration has one go through to a host.
func (c *config) jumps(name string) ([]string, error) {
	switch jump := c.get(name, "ProxyJump"); jump {
	case "":
	case "none":
		return nil, nil
	default:
		return strings.Split(jump, ","), nil
	}
	if command := c.get(name, "ProxyCommand"); command != "" && command != "none" {
		return nil, fmt.Errorf("%s is reached by a ProxyCommand in the configuration of ssh, which is not run: name the hosts to go through by ProxyJump there, or by --jump", name)
	}
	return nil, nil
}

// target completes [user@]address[:port].
func (c *config) target(at string) (target, error) {
	a, err := provision.ParseAddress(at)
	if err != nil {
		return target{}, err
	}
	t := target{name: a.Host, port: a.Port, user: cmp.Or(a.User, c.get(a.Host, "User"))}
	if said := c.get(a.Host, "Port"); t.port == 0 && said != "" {
		if t.port, err = strconv.Atoi(said); err != nil || t.port < 1 || t.port > 65535 {
			return t, fmt.Errorf("%s has the port %q in the configuration of ssh, which is no number from 1 to 65535", a.Host, said)
		}
	}
	t.port = cmp.Or(t.port, provision.SSHPort)
	if t.user == "" {
		me, err := user.Current()
		if err != nil {
			return t, fmt.Errorf("no user is named, and who you are is not known: %w", err)
		}
		t.user = me.Username
	}
	t.host = a.Host
	t.host = c.expand(cmp.Or(c.get(a.Host, "HostName"), a.Host), t)
	t.only = strings.EqualFold(c.get(a.Host, "IdentitiesOnly"), "yes")
	for _, path := range c.all(a.Host, "IdentityFile") {
		t.identities = append(t.identities, c.expand(path, t))
	}
	for _, path := range strings.Fields(c.get(a.Host, "UserKnownHostsFile")) {
		t.known = append(t.known, c.expand(path, t))
	}
	if slices.Contains(t.known, "none") {
		t.known = []string{os.DevNull}
	}
	return t, nil
}

// expand replaces ~ and what begins with a percent sign, as ssh does.
func (c *config) expand(text string, t target) string {
	if rest, ok := strings.CutPrefix(text, "~/"); ok {
		text = filepath.Join(c.home, rest)
	}
	me := ""
	if u, err := user.Current(); err == nil {
		me = u.Username
	}
	return strings.NewReplacer("%%", "%", "%d", c.home, "%h", t.host, "%n", t.name, "%p", strconv.Itoa(t.port), "%r", t.user, "%u", me).Replace(text)
}
