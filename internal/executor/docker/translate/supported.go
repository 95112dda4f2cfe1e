package translate

import (
	"errors"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client/pkg/versions"
)

// Supported refuses what this engine would drop without a word, since it is older than the field.
func Supported(api string, spec *swarm.TaskSpec) error {
	if err := runnable(spec); err != nil {
		return err
	}
	if h := spec.ContainerSpec.Healthcheck; h != nil && h.StartInterval != 0 && versions.LessThan(api, "1.44") {
		return unsupported("a healthcheck's StartInterval", "1.44", api)
	}
	for _, m := range spec.ContainerSpec.Mounts {
		if err := supportedMount(api, m); err != nil {
			return err
		}
	}
	return nil
}

func supportedMount(api string, m mount.Mount) error {
	switch m.Type {
	case mount.TypeBind, mount.TypeVolume, mount.TypeTmpfs, mount.TypeImage, mount.TypeCluster:
	case mount.TypeNamedPipe:
		return errors.New(mountName(m) + "named pipes exist on Windows only")
	default:
		return errors.New(mountName(m) + "unknown type " + string(m.Type))
	}
	if m.ClusterOptions != nil && m.Type != mount.TypeCluster {
		return errors.New(mountName(m) + "ClusterOptions belong to cluster volumes: mounts of type cluster")
	}
	for _, f := range newerMountFields(m) {
		if f.used && versions.LessThan(api, f.since) {
			return unsupported(mountName(m)+f.name, f.since, api)
		}
	}
	return nil
}

type mountField struct {
	used        bool
	name, since string
}

// newerMountFields are the fields of a mount that came after API 1.41, the oldest supported.
func newerMountFields(m mount.Mount) []mountField {
	fields := []mountField{
		{m.Type == mount.TypeImage, "an image as a mount", "1.48"},
		{m.ImageOptions != nil && m.ImageOptions.Subpath != "", "ImageOptions.Subpath", "1.48"},
	}
	if b := m.BindOptions; b != nil {
		fields = append(fields,
			mountField{b.CreateMountpoint, "BindOptions.CreateMountpoint", "1.42"},
			mountField{b.ReadOnlyNonRecursive, "BindOptions.ReadOnlyNonRecursive", "1.44"},
			mountField{b.ReadOnlyForceRecursive, "BindOptions.ReadOnlyForceRecursive", "1.44"})
	}
	if v := m.VolumeOptions; v != nil {
		fields = append(fields, mountField{v.Subpath != "", "VolumeOptions.Subpath", "1.45"})
	}
	if t := m.TmpfsOptions; t != nil {
		fields = append(fields, mountField{len(t.Options) > 0, "TmpfsOptions.Options", "1.46"})
	}
	return fields
}
