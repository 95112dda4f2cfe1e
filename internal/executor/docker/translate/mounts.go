package translate

import (
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
)

// mounts adds the spec's mounts and the task's files.
func mounts(in Input, spec *swarm.ContainerSpec, h *container.HostConfig) {
	for _, m := range spec.Mounts {
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
