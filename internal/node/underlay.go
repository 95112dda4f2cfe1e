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

// underlay is where a node's overlay packets leave it: the address it advertises, if it is one of its own, and the MTU of
// the interface that has it.
func underlay(advertise string) network.Settings {
	ap, err := netip.ParseAddrPort(advertise)
	if err != nil {
		return network.Settings{}
	}
	links, err := net.Interfaces()
	if err != nil {
		return network.Settings{}
	}
	for _, l := range links {
		addrs, err := l.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == ap.Addr().Unmap() {
				return network.Settings{Underlay: ap.Addr().Unmap(), MTU: l.MTU}
			}
		}
	}
	return network.Settings{}
}

// sameNetwork makes sure that the engine is in this process's network namespace: what the data plane makes has to be
// where the engine looks for it.
func sameNetwork(engine string) error {
	conn, err := net.Dial("unix", strings.TrimPrefix(engine, "unix://"))
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
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return fmt.Errorf("this process's network namespace cannot be told: %w", err)
	}
	if ours != theirs {
		return errors.New("skep and the engine are in different network namespaces: run both in the host's")
	}
	return nil
}
