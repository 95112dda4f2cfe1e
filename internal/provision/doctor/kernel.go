package doctor

import (
	"fmt"
	"strconv"
	"time"
)

func asRoot(f Facts) []Finding {
	if f.Root {
		return nil
	}
	return []Finding{{
		What: "this was not run as root", Why: "what only root sees was not looked at",
		Mend: "sudo skep doctor",
	}}
}

// features are what the network of a node is made of.
func features(f Facts) []Finding {
	var all []Finding
	for _, feature := range f.Features {
		if feature.Err == "" {
			continue
		}
		one := Finding{
			What: fmt.Sprintf("the kernel %s has no %s: %s", f.Kernel, feature.Name, feature.Err),
			Why:  "containers on different nodes do not reach each other, or none starts",
			Mend: fmt.Sprintf("modprobe %[1]s && echo %[1]s >>/etc/modules-load.d/skep.conf", feature.Module),
		}
		all = append(all, one)
	}
	return all
}

func cgroups(f Facts) []Finding {
	if f.Cgroups > 0 {
		return nil
	}
	return []Finding{{
		What: "no control groups are mounted at /sys/fs/cgroup", Why: "the Docker Engine starts no container",
		Mend: "mount -t cgroup2 none /sys/fs/cgroup",
	}}
}

func forwarding(f Facts) []Finding {
	if f.Sysctls["net.ipv4.ip_forward"] != "0" {
		return nil
	}
	return []Finding{{
		What: "net.ipv4.ip_forward is 0", Why: "packets to published ports and from containers are dropped",
		Mend: "sysctl -w net.ipv4.ip_forward=1 && echo net.ipv4.ip_forward=1 >/etc/sysctl.d/60-skep.conf",
	}}
}

// number is a setting that is one; false: it is not, or not there.
func number(f Facts, name string) (int, bool) {
	n, err := strconv.Atoi(f.Sysctls[name])
	return n, err == nil
}

// connections is about the table of connections, which every packet to a service passes.
func connections(f Facts) []Finding {
	count, ok1 := number(f, "net.netfilter.nf_conntrack_count")
	limit, ok2 := number(f, "net.netfilter.nf_conntrack_max")
	if !ok1 || !ok2 || limit == 0 || count < limit/10*8 {
		return nil
	}
	return []Finding{{
		What:  fmt.Sprintf("%d of %d connections that the kernel can follow are in use", count, limit),
		Why:   "once the table is full, new connections to services are dropped",
		Mend:  fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%[1]d && echo net.netfilter.nf_conntrack_max=%[1]d >>/etc/sysctl.d/60-skep.conf", 4*limit),
		Level: Doubtful,
	}}
}

// neighbours is about the table of neighbours: each container of an overlay that this node speaks to has an entry.
func neighbours(f Facts) []Finding {
	limit, ok := number(f, "net.ipv4.neigh.default.gc_thresh3")
	if !ok || limit >= 1024 {
		return nil
	}
	return []Finding{{
		What: fmt.Sprintf("the kernel keeps %d neighbours only", limit), Why: "in a larger network packets are dropped as the table overflows",
		Mend:  "sysctl -w net.ipv4.neigh.default.gc_thresh3=4096 && echo net.ipv4.neigh.default.gc_thresh3=4096 >>/etc/sysctl.d/60-skep.conf",
		Level: Doubtful,
	}}
}

func clockKept(f Facts) []Finding {
	if f.ClockKept {
		return nil
	}
	return []Finding{{
		What: "nothing keeps this host's clock right", Why: "a clock that goes astray makes certificates invalid before their time and logs hard to compare",
		Mend:  "timedatectl set-ntp true   # or install chrony",
		Level: Doubtful,
	}}
}

// Skew is how far clocks may be apart. Certificates are valid from an hour before they are made; what people compare are logs.
const Skew = 5 * time.Second

func skew(f Facts) []Finding {
	var all []Finding
	for _, n := range f.Nodes {
		if n.Skew.Abs() < Skew {
			continue
		}
		way := "ahead of"
		if n.Skew < 0 {
			way = "behind"
		}
		all = append(all, Finding{
			What: fmt.Sprintf("the clock of node %s is %s %s this host's", n.Name, n.Skew.Abs().Round(time.Second), way),
			Why:  "certificates of one are not valid yet, or not any more, for the other",
			Mend: "timedatectl set-ntp true   # on the one that is wrong",
		})
	}
	return all
}

// Clock is about a host's clock, which told a time when it was asked between two moments of this machine's.
func Clock(at, began, ended time.Time, limit time.Duration) []Finding {
	var off time.Duration
	way := "behind"
	switch {
	case at.Before(began):
		off = began.Sub(at)
	case at.After(ended):
		off, way = at.Sub(ended), "ahead of"
	}
	if off < limit {
		return nil
	}
	return []Finding{{
		Area: AreaClock, Level: Wrong,
		What: fmt.Sprintf("the host's clock is %s %s this machine's", off.Round(time.Second), way), Why: "certificates of one are not valid yet, or not any more, for the other",
		Mend: "timedatectl set-ntp true   # on the one that is wrong",
	}}
}
