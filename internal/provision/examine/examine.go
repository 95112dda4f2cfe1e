package examine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/node"
	"github.com/skep-org/skep/internal/provision"
	"github.com/skep-org/skep/internal/provision/doctor"
)

// askLimit is how long one question may take.
const askLimit = 5 * time.Second

// Options say what to look at.
type Options struct {
	Engine, Daemon string   // addresses of their sockets, unix:///path
	Reach          []string // managers that are to be reached, besides those that the daemon knows
	NetCheck       NetCheck // nil: do not
}

// NetCheck asks the daemon to compare its networks with what they should be, or on a manager those of all nodes.
type NetCheck func(ctx context.Context, all bool) (api.NetCheck, error)

// Examine finds out about this host.
func Examine(ctx context.Context, o Options) doctor.Facts {
	f := doctor.Facts{Root: os.Geteuid() == 0, Cgroups: cgroupsVersion(), ClockKept: clockKept(), Sysctls: sysctls()}
	f.Host, _ = os.Hostname()
	f.Kernel = kernelRelease()
	f.Uplink, f.Overlay = uplink(), link(network.IngressLink)
	var asked sync.WaitGroup
	asked.Go(func() { f.Features = features(f.Root) })
	asked.Go(func() { f.Engine = askEngine(ctx, o.Engine) })
	var addrs []string
	asked.Go(func() { f.Daemon, addrs = askDaemon(ctx, o.Daemon) })
	asked.Wait()
	f.Ports = ports(f.Daemon)
	f.Disks = disks(f.Engine.RootDir)
	asked.Go(func() { f.Managers = reach(ctx, append(addrs, o.Reach...)) })
	if o.NetCheck != nil && f.Daemon.Err == "" && f.Daemon.State == "active" {
		asked.Go(func() { f.Nodes, f.NetErr = checkNet(ctx, o.NetCheck, f.Daemon.Manager) })
	}
	asked.Wait()
	f.At = time.Now()
	return f
}

func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func cgroupsVersion() int {
	switch {
	case exists("/sys/fs/cgroup/cgroup.controllers"):
		return 2
	case exists("/sys/fs/cgroup/memory"), exists("/sys/fs/cgroup/cpu"), exists("/sys/fs/cgroup/pids"):
		return 1
	}
	return 0
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// clockKept asks the kernel whether somebody steers its clock.
func clockKept() bool {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return err == nil && t.Status&unix.STA_UNSYNC == 0
}

func sysctls() map[string]string {
	all := map[string]string{}
	for _, name := range []string{
		"net.ipv4.ip_forward", "net.netfilter.nf_conntrack_count", "net.netfilter.nf_conntrack_max", "net.ipv4.neigh.default.gc_thresh3",
	} {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))); err == nil {
			all[name] = strings.TrimSpace(string(value))
		}
	}
	return all
}

// disks are the file systems of what is kept, each once; a directory that is not there yet is made on its parent's.
func disks(engineRoot string) []doctor.Disk {
	if engineRoot == "" {
		engineRoot = "/var/lib/docker"
	}
	var all []doctor.Disk
	seen := map[uint64]bool{}
	for _, path := range []string{provision.DataDir, engineRoot} {
		for !exists(path) && path != "/" {
			path = filepath.Dir(path)
		}
		var st unix.Stat_t
		var fs unix.Statfs_t
		if unix.Stat(path, &st) != nil || unix.Statfs(path, &fs) != nil || seen[st.Dev] {
			continue
		}
		seen[st.Dev] = true
		size := uint64(fs.Bsize) //nolint:gosec // a block's size is positive
		all = append(all, doctor.Disk{Path: path, Free: fs.Bavail * size, Total: fs.Blocks * size, FreeNodes: fs.Ffree, Nodes: fs.Files})
	}
	return all
}

// ports tries whether skep could listen. Where a daemon answers they are its own.
func ports(d doctor.Daemon) []doctor.Port {
	tcp, udp := doctor.Port{Network: "tcp", Number: 2377}, doctor.Port{Network: "udp", Number: network.DefaultPort}
	if d.Err == "" {
		return nil
	}
	if l, err := net.Listen("tcp", node.DefaultListenAddr); err != nil { //nolint:noctx // it does not wait
		tcp.Err = cause(err)
	} else {
		_ = l.Close()
	}
	if l, err := net.ListenUDP("udp4", &net.UDPAddr{Port: udp.Number}); err != nil {
		udp.Err = cause(err)
	} else {
		_ = l.Close()
	}
	return []doctor.Port{tcp, udp}
}

// cause is the innermost error: the call's, without what it was called with.
func cause(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// uplink is the interface of the default route.
func uplink() doctor.Link {
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return doctor.Link{}
	}
	for s := bufio.NewScanner(bytes.NewReader(routes)); s.Scan(); {
		if words := strings.Fields(s.Text()); len(words) > 7 && words[1] == "00000000" && words[7] == "00000000" {
			return link(words[0])
		}
	}
	return doctor.Link{}
}

// link is an interface; without a name where there is none.
func link(name string) doctor.Link {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return doctor.Link{}
	}
	return doctor.Link{Name: name, MTU: i.MTU}
}

// reach connects to each address.
func reach(ctx context.Context, addrs []string) []doctor.Reach {
	var all []doctor.Reach
	seen := map[string]bool{}
	for _, a := range addrs {
		if !seen[a] {
			seen[a] = true
			all = append(all, doctor.Reach{Addr: a})
		}
	}
	var asked sync.WaitGroup
	for i := range all {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askLimit)
			defer cancel()
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", all[i].Addr)
			if err != nil {
				all[i].Err = cause(err)
				return
			}
			_ = conn.Close()
		})
	}
	asked.Wait()
	return all
}
