package kernel

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// space is one network namespace, held open: it stays while this is, whatever happens to its file.
type space struct {
	ns    netns.NsHandle
	route *netlink.Handle
	rules *ruleConn // opened when first needed
	sixth *ruleConn // of the way to other nodes by IPv6; the host's alone
}

// openSpace opens the namespace bound to a path.
func openSpace(path string) (*space, error) {
	s, err := openForRules(path)
	if err != nil {
		return nil, err
	}
	if s.route, err = netlink.NewHandleAt(s.ns, unix.NETLINK_ROUTE); err != nil {
		s.close()
		return nil, fmt.Errorf("opening a netlink socket in a namespace: %w", err)
	}
	return s, nil
}

// openForRules opens a namespace whose interfaces and routes are not asked for. A container's is not kept open: it would
// outlive the container.
func openForRules(path string) (*space, error) {
	if !IsNamespace(path) {
		return nil, fmt.Errorf("%s: %w", path, ErrNotYet)
	}
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("opening namespace %s: %w", path, err)
	}
	return &space{ns: ns}, nil
}

func (s *space) close() {
	for _, r := range []*ruleConn{s.rules, s.sixth} {
		if r != nil {
			r.close()
		}
	}
	if s.route != nil {
		s.route.Close()
	}
	_ = s.ns.Close()
}

// closeLater closes a namespace without waiting: closing a socket for rules waits until the kernel has freed what was
// deleted, some milliseconds.
func (k *Kernel) closeLater(s *space) { k.closing.Go(s.close) }

// IsNamespace says whether a path is one that a namespace is bound to: engines make an empty file first and mount the
// namespace on it later.
func IsNamespace(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.NSFS_MAGIC
}

// do runs f on a thread that is in the namespace: for sockets, files below /proc/sys and programs started there.
func (s *space) do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(s.ns); err != nil {
			return fmt.Errorf("entering a network namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a thread of its own, which f may take to another namespace. One that does not come back from there
// is not used for anything else.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		from, err := netns.Get()
		if err != nil {
			done <- fmt.Errorf("opening the thread's network namespace: %w", err)
			return
		}
		err = f()
		if netns.Set(from) == nil {
			runtime.UnlockOSThread()
		}
		_ = from.Close()
		done <- err
	}()
	return <-done
}

// space is the namespace of a network; nil: there is none.
func (k *Kernel) space(id model.ID) (*space, error) {
	if s := k.spaces[id]; s != nil {
		return s, nil
	}
	s, err := openSpace(k.path(id))
	if errors.Is(err, ErrNotYet) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the namespace of network %s: %w", id, err)
	}
	k.spaces[id] = s
	return s, nil
}

// makeSpace is the namespace of a network, made if there is none. One that is still held and lost its file gets it back.
func (k *Kernel) makeSpace(id model.ID) (*space, error) {
	path := k.path(id)
	if s, err := k.space(id); err != nil || s != nil && IsNamespace(path) {
		return s, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the namespace of network %s: %w", id, err)
	}
	_ = f.Close()
	k.changed++
	if s := k.spaces[id]; s != nil {
		err = unix.Mount(fmt.Sprintf("/proc/self/fd/%d", s.ns), path, "", unix.MS_BIND, "")
	} else {
		err = bindNew(path)
	}
	if err != nil {
		return nil, fmt.Errorf("making the namespace of network %s: %w", id, err)
	}
	s, err := k.space(id)
	if err != nil {
		return nil, err
	}
	return s, s.quiet()
}

// bindNew makes a namespace and binds it to a file.
func bindNew(path string) error {
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		self := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		if err := unix.Mount(self, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("binding a network namespace to %s: %w", path, err)
		}
		return nil
	})
}

// dropSpace removes a network's namespace with all that is in it. Its interfaces go first: the kernel takes a namespace
// apart later, and sockets in it may hold it, while the network's number must be free at once.
func (k *Kernel) dropSpace(id model.ID) error {
	s, err := k.space(id)
	if err != nil {
		return err
	}
	if s != nil {
		if err := s.removeLinks(network.VXLANLink, network.UplinkLink, network.PassingName(id), network.BridgeLink); err != nil {
			return fmt.Errorf("removing the namespace of network %s: %w", id, err)
		}
		s.close()
		delete(k.spaces, id)
	}
	path := k.path(id)
	for IsNamespace(path) {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("removing the namespace of network %s: %w", id, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the namespace of network %s: %w", id, err)
	}
	return nil
}
