package stack

import (
	"io/fs"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/mount"

	"github.com/skep-org/skep/internal/stack/finding"
)

func (s *service) mounts() []mount.Mount {
	var out []mount.Mount
	for i, v := range s.Volumes {
		if m, ok := s.mount(v, s.at("volumes", strconv.Itoa(i))); ok {
			out = append(out, m)
		}
	}
	for _, text := range s.Tmpfs {
		out = append(out, s.tmpfs(text))
	}
	return out
}

func (s *service) mount(v types.ServiceVolumeConfig, path []string) (mount.Mount, bool) {
	m := mount.Mount{Type: mount.Type(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly, Consistency: mount.Consistency(v.Consistency)}
	switch v.Type {
	case types.VolumeTypeVolume, "":
		if v.Source != "" {
			s.volume(&m, v)
		}
	case types.VolumeTypeBind:
		m.BindOptions = bindOptions(v.Bind)
	case types.VolumeTypeTmpfs:
		if t := v.Tmpfs; t != nil {
			m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(t.Size), Mode: fs.FileMode(t.Mode)}
		}
	case types.VolumeTypeImage:
		if v.Image != nil {
			m.ImageOptions = &mount.ImageOptions{Subpath: v.Image.SubPath}
		}
	case types.VolumeTypeCluster:
		s.find(finding.Refused, path, "skep stack does not take cluster volumes yet: deploy the service with docker service create, or use a volume of the node")
		return m, false
	default:
		s.find(finding.Refused, path, "a mount of the type %s is not for Linux", v.Type)
		return m, false
	}
	return m, true
}

// volume is a named one. That it has the stack's label says whose it is when the node makes it.
func (s *service) volume(m *mount.Mount, v types.ServiceVolumeConfig) {
	declared := s.Project.Volumes[v.Source]
	m.Source = scoped(s.stack.Name, v.Source)
	if declared.Name != "" {
		m.Source = declared.Name
	}
	m.VolumeOptions = &mount.VolumeOptions{}
	if v.Volume != nil {
		m.VolumeOptions.NoCopy, m.VolumeOptions.Subpath = v.Volume.NoCopy, v.Volume.Subpath
	}
	if declared.External {
		return
	}
	m.VolumeOptions.Labels = labelled(s.stack.Name, declared.Labels)
	if v.Volume != nil {
		for key, value := range v.Volume.Labels {
			m.VolumeOptions.Labels[key] = value
		}
	}
	if declared.Driver != "" || declared.DriverOpts != nil {
		m.VolumeOptions.DriverConfig = &mount.Driver{Name: declared.Driver, Options: declared.DriverOpts}
	}
}

// bindOptions are none when there is nothing in them that swarm knows: docker stack deploy posts none then.
func bindOptions(b *types.ServiceVolumeBind) *mount.BindOptions {
	if b == nil || b.Propagation == "" && b.Recursive == "" {
		return nil
	}
	out := &mount.BindOptions{Propagation: mount.Propagation(b.Propagation)}
	switch b.Recursive {
	case "disabled":
		out.NonRecursive = true
	case "writable":
		out.ReadOnlyNonRecursive = true
	case "readonly":
		out.ReadOnlyForceRecursive = true
	}
	return out
}

// tmpfs is PATH or PATH:OPTIONS.
func (s *service) tmpfs(text string) mount.Mount {
	target, options, _ := strings.Cut(text, ":")
	m := mount.Mount{Type: mount.TypeTmpfs, Target: target}
	for option := range strings.SplitSeq(options, ",") {
		if option == "" {
			continue
		}
		if m.TmpfsOptions == nil {
			m.TmpfsOptions = &mount.TmpfsOptions{}
		}
		name, value, valued := strings.Cut(option, "=")
		var err error
		switch name {
		case "size":
			m.TmpfsOptions.SizeBytes, err = units.RAMInBytes(value)
		case "mode":
			var mode uint64
			mode, err = strconv.ParseUint(value, 8, 32)
			m.TmpfsOptions.Mode = fs.FileMode(mode)
		default:
			entry := []string{name}
			if valued {
				entry = append(entry, value)
			}
			m.TmpfsOptions.Options = append(m.TmpfsOptions.Options, entry)
		}
		if err != nil {
			s.refuse("tmpfs", "%q has no number that can be read", option)
		}
	}
	return m
}
