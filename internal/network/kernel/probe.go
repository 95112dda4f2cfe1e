package kernel

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// probeName and probeNumber are of an interface that is made and removed at once; no network has the number.
const (
	probeName   = "skepprobe"
	probeNumber = 0xfffffe
)

// Probe says, in a sentence, why this machine cannot carry overlay networks; nil: it can.
func (k *Kernel) Probe() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = probeName
	l := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: probeNumber, Port: 8472}
	err := k.host.route.LinkAdd(l)
	switch {
	case errors.Is(err, unix.EPERM):
		return errors.New("skep may not change this machine's network: run it as root")
	case errors.Is(err, unix.EOPNOTSUPP):
		return errors.New("this kernel has no VXLAN: load the module vxlan, or use a kernel that has it")
	case err != nil && !errors.Is(err, unix.EEXIST):
		return fmt.Errorf("this machine makes no VXLAN interface: %w", err)
	}
	if err := k.host.removeLinks(probeName); err != nil {
		return fmt.Errorf("removing the interface made to see whether it can be: %w", err)
	}
	return nil
}
