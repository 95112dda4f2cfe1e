package guest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// Spec describes a host to its first process. It is kept in host.json below the host's directory.
type Spec struct {
	Name string
	// Address is the host's on the lab's network, and Gateway where its default route leads. Bridge makes it the switch: it
	// has the address on a bridge that the others' links are added to.
	Address netip.Prefix
	Gateway netip.Addr
	Bridge  bool
	// Address6 and Gateway6 are the same in IPv6. A machine whose kernel has none leaves them out.
	Address6 netip.Prefix
	Gateway6 netip.Addr
	// Strict refuses packets whose answers would leave through another device, as many distributions set it.
	Strict bool `json:",omitempty"`
	// Open has the host's firewall forward what nobody refuses, as engines need it that write their rules in nftables: what they
	// let pass, a policy of iptables would drop all the same.
	Open bool `json:",omitempty"`
	// Own has the host have files of its own: what is changed below /usr and /etc is kept in its directory, and of the engine,
	// skep and logs there is at first nothing.
	Own bool `json:",omitempty"`
	// Systemd has the host boot it, in a root of its own; Shares are directories of the machine's that it can read there.
	Systemd bool     `json:",omitempty"`
	Shares  []string `json:",omitempty"`
	// Cgroup is the parent of the host's control groups, e.g. /skep-lab-1a2b3c4d/m1.
	Cgroup   string
	Programs []Program
}

// Program is run for as long as the host runs. Its output is kept in NAME.log in the host's directory.
type Program struct {
	Name string
	Argv []string
}

// Names of files in a host's directory.
const (
	specFile   = "host.json"
	EtcDocker  = "etc-docker"  // hides the machine's, where the engine keeps its id
	ResolvConf = "resolv.conf" // hides the machine's
	EtcHosts   = "hosts"       // hides the machine's
	Settings   = "skep.yaml"   // settings of the host's skep daemon
	InitLog    = "init.log"    // what the first process says
)

// Log is where a program's output is kept.
func Log(dir, program string) string { return filepath.Join(dir, program+".log") }

// hold is a file that, while it is there, keeps a program from being started.
func hold(dir, program string) string { return filepath.Join(dir, program+".hold") }

// Hold keeps a program from being started again when it ends, or lets it.
func Hold(dir, program string, held bool) error {
	if held {
		return os.WriteFile(hold(dir, program), nil, 0o600)
	}
	if err := os.Remove(hold(dir, program)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// PidFile is where a host keeps the number a running program has in its process namespace, as seen inside.
func PidFile(program string) string { return filepath.Join("/run/lab", program+".pid") }

// Save keeps the description in the host's directory.
func (s Spec) Save(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the description of host %s: %w", s.Name, err)
	}
	return os.WriteFile(filepath.Join(dir, specFile), append(data, '\n'), 0o600)
}

func load(dir string) (Spec, error) {
	var s Spec
	data, err := os.ReadFile(filepath.Join(dir, specFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("reading the host's description: %w", err)
	}
	return s, nil
}
