package examine

import (
	"bytes"
	"os"
	"runtime"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/provision/doctor"
)

// features tries what a node's network and its containers are made of. Trying has the kernel load the modules it has.
func features(root bool) []doctor.Feature {
	all := []doctor.Feature{{Name: "overlay file system", Module: "overlay", Err: overlayFS()}}
	if !root {
		return all
	}
	done := make(chan []doctor.Feature)
	go func() {
		// The thread is not given back: it ends with this goroutine, and its network with it.
		runtime.LockOSThread()
		done <- inside()
	}()
	return append(all, <-done...)
}

// overlayFS looks for the file system that images are made of. It is a module in many kernels, loaded when it is first used.
func overlayFS() string {
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err.Error()
	}
	if bytes.Contains(known, []byte("\toverlay\n")) {
		return ""
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		dir := "/lib/modules/" + unix.ByteSliceToString(u.Release[:])
		for _, list := range []string{"/modules.dep", "/modules.builtin"} {
			if data, err := os.ReadFile(dir + list); err == nil && bytes.Contains(data, []byte("/overlay.ko")) {
				return ""
			}
		}
	}
	return "it is not in /proc/filesystems"
}

// inside tries features of the network in a namespace of this thread's own.
func inside() []doctor.Feature {
	vxlan := netlink.NewLinkAttrs()
	vxlan.Name = "probe0"
	bridge := netlink.NewLinkAttrs()
	bridge.Name = "probe1"
	veth := netlink.NewLinkAttrs()
	veth.Name = "probe2"
	tries := []struct {
		name, module string
		try          func() error
	}{
		{"VXLAN", "vxlan", func() error {
			return netlink.LinkAdd(&netlink.Vxlan{LinkAttrs: vxlan, VxlanId: 1, Port: network.DefaultPort})
		}},
		{"bridges", "bridge", func() error { return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: bridge}) }},
		{"pairs of virtual Ethernet interfaces", "veth", func() error {
			return netlink.LinkAdd(&netlink.Veth{LinkAttrs: veth, PeerName: "probe3"})
		}},
		{"nftables with address translation", "nft_chain_nat", translation},
	}
	err := unix.Unshare(unix.CLONE_NEWNET)
	var all []doctor.Feature
	for _, t := range tries {
		one := doctor.Feature{Name: t.name, Module: t.module}
		failed := err
		if failed == nil {
			failed = t.try()
		}
		if failed != nil {
			one.Err = failed.Error()
		}
		all = append(all, one)
	}
	return all
}

// translation makes a chain that rewrites addresses, as the balancing of services does.
func translation() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := c.AddTable(&nftables.Table{Name: "probe", Family: nftables.TableFamilyIPv4})
	c.AddChain(&nftables.Chain{
		Name: "nat", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest,
	})
	return c.Flush()
}
