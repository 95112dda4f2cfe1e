package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// hostNetwork is what an engine in the machine's own network occupies there.
type hostNetwork struct {
	Bridge string       // the default bridge
	Pool   netip.Prefix // a /16 no route overlaps: its first /24 is the default bridge's, its upper half for other networks
	// OwnFirewall says that no other engine had its chains in the machine's firewall, so this one may make and, at the
	// end, remove them. Otherwise the engine leaves the firewall alone: published ports then go through its proxy, and
	// two rules of ours admit its containers' traffic past the other engine's FORWARD policy.
	OwnFirewall bool
	// ForwardPolicy and Forwarding are what they were before an engine changed them.
	ForwardPolicy string
	Forwarding    string
}

const forwardingFile = "/proc/sys/net/ipv4/ip_forward"

func (e *Engine) makeHostNetwork(ctx context.Context) error {
	n := &e.state.Host
	n.Bridge = "skep" + e.state.ID
	routes, err := command(ctx, "ip", "-4", "-oneline", "route", "show", "table", "all")
	if err != nil {
		return fmt.Errorf("listing the machine's routes: %w: %s", err, routes)
	}
	if n.Pool, err = freePool(prefixesIn(routes)); err != nil {
		return err
	}
	rules, err := command(ctx, "iptables-save")
	if err != nil {
		return fmt.Errorf("reading the machine's firewall: %w: %s", err, rules)
	}
	n.OwnFirewall, n.ForwardPolicy = !strings.Contains(rules, "\n:DOCKER "), forwardPolicy(rules)
	forwarding, err := os.ReadFile(forwardingFile)
	if err != nil {
		return fmt.Errorf("reading whether the machine forwards: %w", err)
	}
	n.Forwarding = strings.TrimSpace(string(forwarding))
	// Kept before anything is made, so that Stop of another process can undo a start that was killed half-way.
	if err := e.saveState(); err != nil {
		return err
	}
	steps := [][]string{
		{"ip", "link", "add", n.Bridge, "type", "bridge"},
		{"ip", "addr", "add", n.bridgeAddr().String(), "dev", n.Bridge},
		{"ip", "link", "set", n.Bridge, "up"},
	}
	if !n.OwnFirewall {
		steps = append(steps,
			[]string{"iptables", "--wait", "-I", "FORWARD", "-s", n.Pool.String(), "-j", "ACCEPT"},
			[]string{"iptables", "--wait", "-I", "FORWARD", "-d", n.Pool.String(), "-j", "ACCEPT"})
	}
	for _, s := range steps {
		if out, err := command(ctx, s[0], s[1:]...); err != nil {
			return fmt.Errorf("making the engine's bridge: %s: %w: %s", strings.Join(s, " "), err, out)
		}
	}
	return nil
}

func (n hostNetwork) bridgeAddr() netip.Prefix {
	return netip.PrefixFrom(n.Pool.Addr().Next(), 24)
}

// poolBase is the upper half of the pool, for the networks users make.
func (n hostNetwork) poolBase() netip.Prefix {
	b := n.Pool.Addr().As4()
	b[2] = 128
	return netip.PrefixFrom(netip.AddrFrom4(b), 17)
}

func (n hostNetwork) daemonArgs() []string {
	args := []string{"--bridge", n.Bridge, "--default-address-pool", fmt.Sprintf("base=%s,size=24", n.poolBase())}
	if !n.OwnFirewall {
		args = append(args, "--iptables=false")
	}
	return args
}

// remove undoes makeHostNetwork and what the engine added to it: bridges with an address of the pool, firewall rules
// that name them or the pool, and, if no other engine is left that may use them, Docker's chains.
func (n hostNetwork) remove() error {
	if n.Bridge == "" {
		return nil // the start failed before anything was made
	}
	ctx := context.Background()
	listed, err := command(ctx, "ip", "-4", "-oneline", "addr", "show")
	if err != nil {
		return fmt.Errorf("listing the machine's addresses: %w: %s", err, listed)
	}
	ours, others := bridgesIn(listed, n.Pool)
	ours = append(ours, n.Bridge)
	var errs []error
	for _, link := range ours {
		out, err := command(ctx, "ip", "link", "delete", link)
		if err != nil && !strings.Contains(out, "Cannot find device") {
			errs = append(errs, fmt.Errorf("removing bridge %s: %w: %s", link, err, out))
		}
	}
	errs = append(errs, n.removeRules(ctx, ours, len(others) > 0))
	if n.OwnFirewall && len(others) == 0 && n.Forwarding == "0" {
		errs = append(errs, os.WriteFile(forwardingFile, []byte("0\n"), 0o644))
	}
	return errors.Join(errs...)
}
