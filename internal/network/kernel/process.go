package kernel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
)

// socketOf is where the process of a device is spoken to.
func socketOf(name string) string { return "/var/run/wireguard/" + name + ".sock" }

// dialDevice connects to the process of a device.
func dialDevice(name string) (net.Conn, error) {
	return new(net.Dialer).DialContext(context.Background(), "unix", socketOf(name))
}

// runs says whether there is a process of a device.
func runs(name string) bool {
	c, err := dialDevice(name)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// answers says whether a device is one that can be spoken to: the kernel's, or one whose process is there.
func answers(l netlink.Link) bool {
	if l.Type() == "wireguard" {
		return true
	}
	return runs(l.Attrs().Name)
}

// startDevice has a process be a device, and waits until it can be spoken to. It is started in the host's namespace, where
// its socket is to be, and goes on when this process ends.
func (k *Kernel) startDevice(name string, mtu int) error {
	args := k.wireguard
	if len(args) == 0 {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("finding the program that is to be WireGuard: %w", err)
		}
		args = []string{self, "wireguard"}
	}
	ready, said, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = ready.Close() }()
	log, err := os.Create(filepath.Join(k.dir, name+".log"))
	if err != nil {
		return errors.Join(err, said.Close())
	}
	args = append(args[:len(args):len(args)], "--name", name, "--namespace", k.path(cipherID()), "--mtu", strconv.Itoa(mtu))
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx // it outlives the daemon
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{said}
	cmd.Env = append(os.Environ(), "GOMEMLIMIT="+memoryLimit)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = k.host.do(cmd.Start)
	_, _ = said.Close(), log.Close()
	if err != nil {
		return fmt.Errorf("starting WireGuard: %w", err)
	}
	go func() { _ = cmd.Wait() }()
	line, err := bufio.NewReader(io.LimitReader(ready, 4096)).ReadString('\n')
	if line = strings.TrimSpace(line); line != "ready" {
		return fmt.Errorf("WireGuard has not started: %s: %w", line, errors.Join(err, errors.New("it said no more")))
	}
	return nil
}

// memoryLimit bounds what the process keeps: without it, it takes three times as much under load and is no faster.
const memoryLimit = "128MiB"

// watchDevices has the devices that an earlier process of the daemon has left watched, too. The caller holds mu.
func (k *Kernel) watchDevices(want *network.Desired) {
	if want.Encryption == nil {
		return
	}
	for name := range want.Encryption.Devices {
		if k.watched[name] != nil {
			continue
		}
		s, err := k.space(cipherID())
		if err != nil || s == nil {
			return
		}
		if l, err := s.link(name); err == nil && l != nil {
			k.watch(l)
		}
	}
}

// watch notices that a device's process has ended.
func (k *Kernel) watch(l netlink.Link) {
	name := l.Attrs().Name
	if l.Type() == "wireguard" || k.watched[name] != nil {
		return
	}
	c, err := dialDevice(name)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	k.watched[name] = cancel
	context.AfterFunc(ctx, func() { _ = c.Close() })
	k.closing.Go(func() {
		_, _ = io.Copy(io.Discard, c) // until the other end is closed
		if ctx.Err() == nil {
			k.ended(name)
		}
		cancel()
	})
}

// unwatch has nobody told that a device's process ends. The caller holds mu.
func (k *Kernel) unwatch(name string) {
	if cancel := k.watched[name]; cancel != nil {
		cancel()
		delete(k.watched, name)
	}
}

// ended has the next [Kernel.Sync] find out what is left of a device, and says that there is need for one.
func (k *Kernel) ended(name string) {
	k.log.Warn("the process that encrypts for this node has ended and is started again", "device", name)
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.watched, name)
	k.have = nil
	k.round++
	select {
	case k.lost <- struct{}{}:
	default:
	}
}

// Lost says that a device has ended by itself: the kernel holds less than it did.
func (k *Kernel) Lost() <-chan struct{} { return k.lost }
