package translate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

// templateContext is what a spec's templates see; the field names are Docker's.
type templateContext struct {
	Service service
	Node    node
	Task    task
}

type service struct {
	ID, Name string
	Labels   map[string]string
}

type node struct {
	ID, Hostname string
	Platform     platform
}

type platform struct{ Architecture, OS string }

type task struct{ ID, Name, Slot string }

func newTemplateContext(t *executor.Task, p swarm.Platform) *templateContext {
	c := &templateContext{
		Service: service{t.ServiceID.String(), t.ServiceName, t.ServiceLabels},
		Node:    node{t.NodeID.String(), t.NodeHostname, platform{p.Architecture, p.OS}},
		Task:    task{t.ID.String(), t.Name(), strconv.FormatUint(t.Slot, 10)},
	}
	if t.Slot == 0 {
		c.Task.Slot = t.NodeID.String()
	}
	return c
}

// expand returns a copy of the container's spec with the templates expanded where Docker does so: in the hostname, in
// environment variables and in mounts. Container labels are left alone: tools keep templates of their own there.
func expand(t *executor.Task, p swarm.Platform) (*swarm.ContainerSpec, error) {
	spec := *t.Spec.ContainerSpec
	e := expander{context: newTemplateContext(t, p)}
	spec.Hostname = e.expand("hostname", spec.Hostname)
	spec.Env = slices.Clone(spec.Env)
	for i, entry := range spec.Env {
		if key, value, ok := strings.Cut(entry, "="); ok {
			spec.Env[i] = key + "=" + e.expand("environment variable "+key, value)
		}
	}
	spec.Mounts = slices.Clone(spec.Mounts)
	for i := range spec.Mounts {
		e.mount(&spec.Mounts[i])
	}
	return &spec, e.err
}

// expander keeps the first error.
type expander struct {
	context *templateContext
	err     error
}

func (e *expander) mount(m *mount.Mount) {
	what := mountName(*m)
	m.Source = e.expand(what+"source", m.Source)
	m.Target = e.expand(what+"target", m.Target)
	if m.VolumeOptions == nil {
		return
	}
	options := *m.VolumeOptions
	options.Labels = e.values(what+"label ", options.Labels)
	if options.DriverConfig != nil {
		driver := *options.DriverConfig
		driver.Options = e.values(what+"driver option ", driver.Options)
		options.DriverConfig = &driver
	}
	m.VolumeOptions = &options
}

func (e *expander) values(what string, m map[string]string) map[string]string {
	out := maps.Clone(m)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out[k] = e.expand(what+k, m[k])
	}
	return out
}

func (e *expander) expand(what, s string) string {
	if e.err != nil || !strings.Contains(s, "{{") {
		return s
	}
	t, err := template.New("spec").Option("missingkey=error").Funcs(template.FuncMap{"join": join}).Parse(s)
	out := new(strings.Builder)
	if err == nil {
		err = t.Execute(out, e.context)
	}
	if err != nil {
		e.err = fmt.Errorf("expanding the template in the %s: %w", what, err)
		return s
	}
	return out.String()
}

// join is the one function Docker's templates have: the separator comes first.
func join(s ...string) (string, error) {
	if len(s) == 0 {
		return "", fmt.Errorf("join needs a separator")
	}
	return strings.Join(s[1:], s[0]), nil
}
