package translate

import (
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

// mounts adds the spec's mounts and the task's files.
func mounts(in Input, spec *swarm.ContainerSpec, h *container.HostConfig) {
	for i, m := range spec.Mounts {
		if m.Type == mount.TypeCluster {
			// The volumes are known by the targets in the spec, before templates.
			clusterMount(m, in.Task.Volumes[in.Task.Spec.ContainerSpec.Mounts[i].Target], h)
			continue
		}
		if m.Type == mount.TypeBind && in.Source != nil {
			m.Source = in.Source(m.Source)
		}
		h.Mounts = append(h.Mounts, m)
	}
	for _, f := range in.Files {
		// Only this older form can ask for an SELinux label, and it has no way to write a colon in a path.
		if in.SELinux && !strings.Contains(f.Source+f.Target, ":") {
			h.Binds = append(h.Binds, f.Source+":"+f.Target+":ro,Z")
			continue
		}
		h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: f.Source, Target: f.Target, ReadOnly: true})
	}
}

// clusterMount binds where the volume's driver has it. A block volume is a device, which the container has to be allowed.
func clusterMount(m mount.Mount, v executor.Volume, h *container.HostConfig) {
	if !v.Block {
		h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: v.Path, Target: m.Target, ReadOnly: m.ReadOnly})
		return
	}
	allowed := "rwm"
	if m.ReadOnly {
		allowed = "r"
	}
	h.Devices = append(h.Devices, container.DeviceMapping{PathOnHost: v.Path, PathInContainer: m.Target, CgroupPermissions: allowed})
}
