package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/skep-org/skep/internal/model"
	"golang.org/x/sys/unix"
)

// Listen opens sockets inside a network's namespace: what is sent to the address there, by UDP or TCP, comes to them. The
// caller closes them when the network goes.
func (k *Kernel) Listen(ctx context.Context, id model.ID, addr netip.AddrPort) (pc net.PacketConn, ln net.Listener, err error) {
	k.mu.Lock()
	s, err := k.space(id)
	k.mu.Unlock()
	if err == nil && s == nil {
		err = errors.New("it has no namespace on this node")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("listening on network %s: %w", id, err)
	}
	config := net.ListenConfig{Control: early}
	err = s.do(func() error {
		if pc, err = config.ListenPacket(ctx, "udp4", addr.String()); err != nil {
			return err
		}
		if ln, err = config.Listen(ctx, "tcp4", addr.String()); err != nil {
			return errors.Join(err, pc.Close())
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("listening on network %s: %w", id, err)
	}
	return pc, ln, nil
}

// early lets a socket have an address that comes, or comes back, later.
func early(_, _ string, c syscall.RawConn) error {
	var err error
	control := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) })
	return errors.Join(control, err)
}

// InEncryption runs f on a thread that is where encrypted networks are carried: the sockets that it opens stay there.
func (k *Kernel) InEncryption(f func() error) error {
	k.mu.Lock()
	s, err := k.space(cipherID())
	k.mu.Unlock()
	if err == nil && s == nil {
		err = errors.New("this node carries no encrypted network")
	}
	if err != nil {
		return err
	}
	return s.do(f)
}
