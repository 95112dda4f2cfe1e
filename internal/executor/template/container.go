package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
)

// Container returns a copy of a container's spec with its templates expanded. Labels of the container are left alone:
// tools keep templates of their own there.
func Container(c Context, spec *swarm.ContainerSpec) (*swarm.ContainerSpec, error) {
	out := *spec
	out.Env, out.Mounts = slices.Clone(spec.Env), slices.Clone(spec.Mounts)
	for i, entry := range out.Env {
		key, value, ok := strings.Cut(entry, "=")
		if !ok {
			continue
		}
		expanded, err := c.Expand(value)
		if err != nil {
			return nil, fmt.Errorf("expanding env failed: expanding env %q: %w", entry, err)
		}
		out.Env[i] = key + "=" + expanded
	}
	for i := range out.Mounts {
		if err := expandMount(&c, &out.Mounts[i]); err != nil {
			return nil, fmt.Errorf("expanding mounts failed: %w", err)
		}
	}
	var err error
	if out.Hostname, err = c.Expand(spec.Hostname); err != nil {
		return nil, fmt.Errorf("expanding hostname failed: %w", err)
	}
	return &out, nil
}

func expandMount(c *Context, m *mount.Mount) error {
	source, err := c.Expand(m.Source)
	if err != nil {
		return fmt.Errorf("expanding mount source %q: %w", m.Source, err)
	}
	target, err := c.Expand(m.Target)
	if err != nil {
		return fmt.Errorf("expanding mount target %q: %w", m.Target, err)
	}
	m.Source, m.Target = source, target
	if m.VolumeOptions == nil {
		return nil
	}
	options := *m.VolumeOptions
	if options.Labels, err = expandMap(c, options.Labels); err != nil {
		return fmt.Errorf("expanding volume labels: %w", err)
	}
	if options.DriverConfig != nil {
		driver := *options.DriverConfig
		if driver.Options, err = expandMap(c, driver.Options); err != nil {
			return fmt.Errorf("expanding volume driver config: %w", err)
		}
		options.DriverConfig = &driver
	}
	m.VolumeOptions = &options
	return nil
}

func expandMap(c *Context, m map[string]string) (map[string]string, error) {
	out := maps.Clone(m)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v, err := c.Expand(m[k])
		if err != nil {
			return nil, fmt.Errorf("expanding map entry %q=%q: %w", k, m[k], err)
		}
		out[k] = v
	}
	return out, nil
}
