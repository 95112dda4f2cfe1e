package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/skep-org/skep/internal/network"
	"golang.org/x/sys/unix"
)

// underlay is where a node's overlay packets leave it: the first of the addresses that is one of its own just now, and the
// MTU of the interface that has it.
func underlay(candidates ...netip.Addr) network.Settings {
	mtus := ownAddresses()
	for _, c := range candidates {
		if mtu, ok := mtus[c.Unmap()]; ok {
			return network.Settings{Underlay: c.Unmap(), MTU: mtu}
		}
	}
	return network.Settings{}
}

// ownAddresses are this host's addresses, with the MTU of the interface that each is on.
func ownAddresses() map[netip.Addr]int {
	mtus := map[netip.Addr]int{}
	links, err := net.Interfaces()
	if err != nil {
		return mtus
	}
	for _, l := range links {
		addrs, err := l.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				mtus[p.Addr().Unmap()] = l.MTU
			}
		}
	}
	return mtus
}

// underlay is where the node's overlay packets leave it. What the user named for them is used and nothing else; otherwise
// the advertised address, or the one that the managers see, whichever is the host's own.
func (ms membership) underlay(known netip.Addr) network.Settings {
	if addr, err := netip.ParseAddr(ms.DataPathAddr); err == nil {
		return underlay(addr)
	}
	advertised, _ := netip.ParseAddrPort(ms.AdvertiseAddr)
	return underlay(advertised.Addr(), known)
}

// reachedAt is where other nodes are to send overlay packets to; empty: to the address that the managers see the node come
// from, which is right where the advertised one is not the host's own just now.
func (ms membership) reachedAt() string {
	if ms.DataPathAddr != "" {
		return ms.DataPathAddr
	}
	if s := ms.underlay(netip.Addr{}); s.Underlay.IsValid() {
		return s.Underlay.String()
	}
	return ""
}

// sameNetwork makes sure that the engine is in this process's network namespace: what the data plane makes has to be
// where the engine looks for it.
func sameNetwork(engine string) error {
	conn, err := net.Dial("unix", strings.TrimPrefix(engine, "unix://")) //nolint:noctx // it is on this machine
	if err != nil {
		return fmt.Errorf("the engine cannot be asked where it is: %w", err)
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var asked error
	if err := raw.Control(func(fd uintptr) { cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return err
	}
	if asked != nil {
		return fmt.Errorf("the engine's process cannot be found: %w", asked)
	}
	if cred.Pid == 0 {
		return errors.New("the engine's process cannot be seen from skep's: run skep outside of containers, or with the host's process, mount and network namespaces")
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", cred.Pid))
	if err != nil {
		return fmt.Errorf("the engine's network namespace cannot be told: %w", err)
	}
	// The process's own entry is the main thread's, which may be in another namespace just then.
	ours, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("this process's network namespace cannot be told: %w", err)
	}
	if ours != theirs {
		return errors.New("skep and the engine are in different network namespaces: run both in the host's")
	}
	return nil
}
