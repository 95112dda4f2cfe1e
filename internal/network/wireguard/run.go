package wireguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/ipc"
	"golang.zx2c4.com/wireguard/tun"
)

// Options say what device there is to be.
type Options struct {
	Name      string
	Namespace string // path of the network namespace that the device is to be in
	MTU       int
	Ready     func() // called when the socket is open
}

// Run is the device, until ctx ends or the device is removed.
func Run(ctx context.Context, o Options) error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keeping the keys from others: %w", err)
	}
	made, err := makeTUN(o)
	if err != nil {
		return err
	}
	socket, err := ipc.UAPIOpen(o.Name)
	if err != nil {
		return errors.Join(fmt.Errorf("opening the socket of device %s: %w", o.Name, err), made.Close())
	}
	log := &device.Logger{Verbosef: device.DiscardLogf, Errorf: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, o.Name+": "+format+"\n", args...)
	}}
	dev := device.NewDevice(sized{made, o.MTU}, conn.NewDefaultBind(), log)
	defer dev.Close()
	asked, err := ipc.UAPIListen(o.Name, socket)
	if err != nil {
		return fmt.Errorf("listening on the socket of device %s: %w", o.Name, err)
	}
	defer func() { _ = asked.Close() }()
	failed := make(chan error, 1)
	go func() { failed <- answer(asked, dev) }()
	o.Ready()
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("the socket of device %s: %w", o.Name, err)
	case <-dev.Wait():
		return nil
	}
}

// answer does what is asked for on the socket.
func answer(asked net.Listener, dev *device.Device) error {
	for {
		c, err := asked.Accept()
		if err != nil {
			return err
		}
		go dev.IpcHandle(c)
	}
}

// makeTUN makes the device in its namespace. The thread comes back from there before anything else is opened.
func makeTUN(o Options) (tun.Device, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("opening this process's network namespace: %w", err)
	}
	defer func() { _ = home.Close() }()
	there, err := netns.GetFromPath(o.Namespace)
	if err != nil {
		return nil, fmt.Errorf("opening the network namespace %s: %w", o.Namespace, err)
	}
	defer func() { _ = there.Close() }()
	if err := netns.Set(there); err != nil {
		return nil, fmt.Errorf("entering the network namespace %s: %w", o.Namespace, err)
	}
	made, err := tun.CreateTUN(o.Name, o.MTU)
	if err != nil {
		err = fmt.Errorf("making the device %s: %w", o.Name, err)
	}
	return made, errors.Join(err, netns.Set(home))
}

// sized is a device whose MTU is known: asked for it, the kernel looks for the device in the wrong namespace.
type sized struct {
	tun.Device
	mtu int
}

func (s sized) MTU() (int, error) { return s.mtu, nil }
