package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// Link is a host's network device, the other end of which is a port of the switch. BridgeName is the switch's.
const (
	Link       = "eth0"
	BridgeName = "br0"
)

// reversePaths are the settings of Spec.Strict: for what there is, and for what comes.
func reversePaths() []string {
	return []string{"net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter", "net/ipv4/conf/" + Link + "/rp_filter"}
}

// configure gives the host its addresses and a firewall like a real machine's beside an engine: it forwards, but not
// everything.
func (s Spec) configure(ctx context.Context) error {
	lines := []string{"link set lo up"}
	device := Link
	if s.Bridge {
		device = BridgeName
		lines = append(lines, "link add "+device+" type bridge mcast_snooping 0")
	}
	lines = append(lines, fmt.Sprintf("addr add %s dev %s", s.Address, device), "link set "+device+" up")
	if s.Gateway.IsValid() {
		lines = append(lines, fmt.Sprintf("route add default via %s", s.Gateway))
	}
	if s.hasV6() {
		// Nobody else can have the address, so nobody is asked whether somebody has.
		lines = append(lines, fmt.Sprintf("addr add %s dev %s nodad", s.Address6, device))
	}
	if err := run(ctx, strings.Join(lines, "\n"), "ip", "-batch", "-"); err != nil {
		return err
	}
	if s.Gateway6.IsValid() && s.hasV6() {
		if err := run(ctx, "", "ip", "-6", "route", "add", "default", "via", s.Gateway6.String()); err != nil {
			return err
		}
	}
	// The switch forwards too: to nowhere, so that what leaves the lab is refused at once rather than lost.
	if err := sysctl("net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	if s.Bridge && s.hasV6() {
		if err := sysctl("net/ipv6/conf/all/forwarding", "1"); err != nil {
			return err
		}
	}
	if s.Strict {
		for _, name := range reversePaths() {
			if err := sysctl(name, "1"); err != nil {
				return err
			}
		}
	}
	switch {
	case s.Open:
		return nil
	case !s.Bridge:
		return run(ctx, "", "iptables", "--wait", "--policy", "FORWARD", "DROP")
	}
	for _, name := range []string{"iptables", "ip6tables", "arptables"} {
		if err := sysctl("net/bridge/bridge-nf-call-"+name, "0"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// hasV6 tells whether the machine gets an IPv6 address.
func (s Spec) hasV6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return s.Address6.IsValid() && err == nil
}

func sysctl(name, value string) error {
	if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil {
		return fmt.Errorf("setting %s: %w", name, err)
	}
	return nil
}

func run(ctx context.Context, input, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
