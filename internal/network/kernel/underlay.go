package kernel

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// MTU is that of the interface that has an address of this host.
func (k *Kernel) MTU(addr netip.Addr) (int, error) {
	addrs, err := k.host.route.AddrList(nil, unix.AF_INET)
	if err != nil {
		return 0, fmt.Errorf("reading this host's addresses: %w", err)
	}
	for _, a := range addrs {
		if prefixOf(a.IPNet).Addr() != addr {
			continue
		}
		l, err := k.host.route.LinkByIndex(a.LinkIndex)
		if err != nil {
			return 0, fmt.Errorf("reading the interface of %s: %w", addr, err)
		}
		return l.Attrs().MTU, nil
	}
	return 0, fmt.Errorf("no interface of this host has the address %s: node and managers disagree on where it is reached", addr)
}
