package allocator

import "errors"

const (
	firstVNI = 4097 // swarm's own first one: those below are left to VLANs
	lastVNI  = 1<<24 - 1
)

// vnis are the VXLAN numbers in use.
type vnis map[uint32]bool

// keep notes a number that a network has; false when it has none, or another network has the same.
func (u vnis) keep(vni uint32) bool {
	if vni == 0 || u[vni] {
		return false
	}
	u[vni] = true
	return true
}

// free takes the lowest free number.
func (u vnis) free() (uint32, error) {
	for vni := uint32(firstVNI); vni <= lastVNI; vni++ {
		if u.keep(vni) {
			return vni, nil
		}
	}
	return 0, errors.New("no VXLAN number is free; remove a network")
}
