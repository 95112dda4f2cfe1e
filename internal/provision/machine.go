package provision

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// Role is what a machine is in its cluster.
type Role string

// The roles.
const (
	Manager Role = "manager"
	Worker  Role = "worker"
)

// Drivers, by how they reach a machine.
const (
	SSH = "ssh" // a host with an SSH server
	Lab = "lab" // a host of skep lab on this machine
)

// Machine is a host that is, or is to become, a node.
type Machine struct {
	Name   string `json:"name" yaml:"name"`
	Driver string `json:"driver" yaml:"driver"`
	// Host is where it is: for ssh [user@]address[:port], for lab the host's name.
	Host string `json:"host" yaml:"host"`
	Role Role   `json:"role" yaml:"role"`
	// AdvertiseAddr is what the node tells others; empty: it finds out itself.
	AdvertiseAddr string `json:"advertise-addr,omitempty" yaml:"advertise-addr"`

	// Identity is a file with a private key, KnownHosts one with hosts' keys, Jump the hosts to go through, separated by
	// commas. They are for ssh.
	Identity   string `json:"identity,omitempty" yaml:"identity"`
	KnownHosts string `json:"known-hosts,omitempty" yaml:"known-hosts"`
	Jump       string `json:"jump,omitempty" yaml:"jump"`
	// LabDir is the directory of the lab that the host is of.
	LabDir string `json:"lab-dir,omitempty" yaml:"lab-dir"`
}

// namePattern keeps a machine's name fit to be a file's.
func namePattern() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`) }

// Validate says all that is wrong with a machine.
func (m Machine) Validate() error {
	var errs []error
	if !namePattern().MatchString(m.Name) {
		errs = append(errs, fmt.Errorf("the name %q of a machine has to begin with a letter or digit and hold these, dots, dashes and underscores only", m.Name))
	}
	if m.Host == "" {
		errs = append(errs, fmt.Errorf("machine %s has no host", m.Name))
	}
	if m.Role != Manager && m.Role != Worker {
		errs = append(errs, fmt.Errorf("the role %q of machine %s is neither manager nor worker", m.Role, m.Name))
	}
	switch m.Driver {
	case SSH:
		for _, at := range append(m.Jumps(), m.Host) {
			if _, err := ParseAddress(at); err != nil && m.Host != "" {
				errs = append(errs, fmt.Errorf("machine %s: %w", m.Name, err))
			}
		}
	case Lab:
	default:
		errs = append(errs, fmt.Errorf("machine %s: there is no driver %q, but ssh and lab", m.Name, m.Driver))
	}
	return errors.Join(errs...)
}

// Jumps are the hosts to go through, the nearest first.
func (m Machine) Jumps() []string {
	if m.Jump == "" {
		return nil
	}
	return strings.Split(m.Jump, ",")
}

// SSHPort is where SSH servers are, unless one says otherwise.
const SSHPort = 22

// Address is where an SSH server is, and as whom to log in there; what is not said is empty.
type Address struct {
	User, Host string
	Port       int
}

// ParseAddress reads [user@]address[:port]. An IPv6 address with a port is in brackets.
func ParseAddress(s string) (Address, error) {
	a := Address{Host: strings.TrimSpace(s)}
	if user, host, ok := strings.Cut(a.Host, "@"); ok {
		a.User, a.Host = user, host
		if user == "" {
			return a, fmt.Errorf("%q names no user before its @", s)
		}
	}
	if host, port, err := net.SplitHostPort(a.Host); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return a, fmt.Errorf("%q has no port that is a number from 1 to 65535", s)
		}
		a.Host, a.Port = host, int(n)
	}
	a.Host = strings.TrimSuffix(strings.TrimPrefix(a.Host, "["), "]")
	if a.Host == "" || strings.ContainsAny(a.Host, " /@") || strings.HasPrefix(a.Host, "-") {
		return a, fmt.Errorf("%q is not [user@]address[:port]", s)
	}
	return a, nil
}
