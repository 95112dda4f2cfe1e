package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is the port between nodes.
const DefaultPort = 2377

// DefaultListen is what the stock CLI sends when the user said nothing.
const DefaultListen = "0.0.0.0:2377"

// Errors of addresses that cannot be used.
var (
	ErrBadListen    = errors.New("listen address must be an IP address or network interface (with optional port number)")
	ErrBadAdvertise = errors.New("advertise address must be a non-zero IP address or network interface (with optional port number)")
	ErrBadDataPath  = errors.New("data path address must be a non-zero IP address or network interface (without a port number)")
	ErrNone         = errors.New("could not find the system's IP address - specify one with --advertise-addr")
)

// Interface is one of the system's network interfaces.
type Interface struct {
	Name     string
	Up       bool
	Loopback bool
	Addrs    []netip.Prefix
}

// Listen resolves a listening address; empty means every address and the default port.
func Listen(s string, system []Interface) (netip.AddrPort, error) {
	if s == "" {
		s = DefaultListen
	}
	host, port, err := split(s)
	if err != nil {
		return netip.AddrPort{}, ErrBadListen
	}
	ip, err := resolve(host, system, ErrBadListen)
	return netip.AddrPortFrom(ip, port), err
}

// Advertise resolves the address other nodes are to use. Empty means the listening one, or where that is no single
// address, the only one the system has; addresses inside exclude (the engine's own networks) do not count. Where there are
// several it is, as for Docker, the one that the remote addresses, those of managers to join, are reached from.
func Advertise(s string, listen netip.AddrPort, system []Interface, exclude []netip.Prefix, remotes []string) (netip.AddrPort, error) {
	if s != "" {
		host, port, err := split(s)
		if err != nil {
			return netip.AddrPort{}, ErrBadAdvertise
		}
		if port == DefaultPort && listen.Port() != 0 && !hasPort(s) {
			port = listen.Port()
		}
		ip, err := resolve(host, system, ErrBadAdvertise)
		if err == nil && ip.IsUnspecified() {
			err = ErrBadAdvertise
		}
		return netip.AddrPortFrom(ip, port), err
	}
	if !listen.Addr().IsUnspecified() {
		return listen, nil
	}
	ip, err := only(system, exclude)
	if err != nil {
		for _, remote := range remotes {
			if from, ok := towards(remote); ok {
				return netip.AddrPortFrom(from, listen.Port()), nil
			}
		}
	}
	return netip.AddrPortFrom(ip, listen.Port()), err
}

// towards is the system's address that packets to a remote one bear. None is sent to find it out.
func towards(remote string) (from netip.Addr, ok bool) {
	c, err := net.Dial("udp", WithPort(remote)) //nolint:noctx // it waits for nothing but the look-up of a name
	if err != nil {
		return from, false
	}
	defer func() { _ = c.Close() }()
	local, err := netip.ParseAddrPort(c.LocalAddr().String())
	return local.Addr().Unmap(), err == nil
}

// DataPath resolves the address for the overlays' packets. Empty stays none: the advertised one is used.
func DataPath(s string, system []Interface) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	ip, err := resolve(bare(s), system, ErrBadDataPath)
	if err == nil && ip.IsUnspecified() {
		err = ErrBadDataPath
	}
	return ip, err
}

// System lists the system's interfaces.
func System() ([]Interface, error) {
	ifs, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	var out []Interface
	for _, i := range ifs {
		addrs, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list the addresses of interface %s: %w", i.Name, err)
		}
		one := Interface{Name: i.Name, Up: i.Flags&net.FlagUp != 0, Loopback: i.Flags&net.FlagLoopback != 0}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				one.Addrs = append(one.Addrs, p)
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// WithPort adds the default port to an address that has none.
func WithPort(s string) string {
	if hasPort(s) {
		return s
	}
	return net.JoinHostPort(bare(s), strconv.Itoa(DefaultPort))
}

// bare is an IPv6 address without the brackets that it may be given in.
func bare(s string) string {
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		return strings.TrimSuffix(inner, "]")
	}
	return s
}

// ListenFor is where a node listens that nobody told where: at every IPv4 address, or, if it is known by an IPv6 one, at all.
func ListenFor(listen netip.AddrPort, advertise netip.Addr) netip.AddrPort {
	if advertise.Is6() && listen.Addr() == netip.IPv4Unspecified() {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), listen.Port())
	}
	return listen
}

func hasPort(s string) bool {
	_, _, err := net.SplitHostPort(s)
	return err == nil
}

func split(s string) (host string, port uint16, err error) {
	if !hasPort(s) {
		return bare(s), DefaultPort, nil
	}
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("bad port %q", p)
	}
	return host, uint16(n), nil
}

// resolve reads an address or looks an interface up.
func resolve(host string, system []Interface, bad error) (netip.Addr, error) {
	for _, i := range system {
		if i.Name == host {
			return ofInterface(i)
		}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, bad
	}
	return ip, nil
}

// ofInterface is an interface's one address: its IPv4 one if it has one, as for Docker.
func ofInterface(i Interface) (netip.Addr, error) {
	var v4, v6 []netip.Addr
	for _, p := range i.Addrs {
		switch {
		case p.Addr().Is4():
			v4 = append(v4, p.Addr())
		case !p.Addr().IsLinkLocalUnicast():
			v6 = append(v6, p.Addr())
		}
	}
	found := v4
	if len(found) == 0 {
		found = v6
	}
	switch len(found) {
	case 0:
		return netip.Addr{}, fmt.Errorf("interface %s has no usable IPv4 or IPv6 address", i.Name)
	case 1:
		return found[0], nil
	}
	return netip.Addr{}, fmt.Errorf("interface %s has more than one address (%s and %s)", i.Name, found[0], found[1])
}

// only finds the single address of the system that other hosts may reach.
func only(system []Interface, exclude []netip.Prefix) (netip.Addr, error) {
	var ip netip.Addr
	var on string
	for _, i := range system {
		if !i.Up || i.Loopback {
			continue
		}
		for _, p := range i.Addrs {
			a := p.Addr()
			if a.IsLinkLocalUnicast() || inside(a, exclude) || ip.Is4() && !a.Is4() {
				continue
			}
			if ip.IsValid() && ip.Is4() == a.Is4() {
				return netip.Addr{}, ambiguous(ip, on, a, i.Name)
			}
			ip, on = a, i.Name
		}
	}
	if !ip.IsValid() {
		return netip.Addr{}, ErrNone
	}
	return ip, nil
}

func ambiguous(a netip.Addr, aIf string, b netip.Addr, bIf string) error {
	const what = "could not choose an IP address to advertise since this system has multiple addresses"
	if aIf == bIf {
		return fmt.Errorf("%s on interface %s (%s and %s) - specify one with --advertise-addr", what, aIf, a, b)
	}
	return fmt.Errorf("%s on different interfaces (%s on %s and %s on %s) - specify one with --advertise-addr", what, a, aIf, b, bIf)
}

func inside(a netip.Addr, nets []netip.Prefix) bool {
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
