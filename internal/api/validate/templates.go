package validate

import (
	"io"
	"strings"
	"text/template"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
)

// scope has what a task's templates may name.
type scope struct {
	Service struct {
		ID, Name string
		Labels   map[string]string
	}
	Node struct {
		ID, Hostname string
		Platform     struct{ Architecture, OS string }
	}
	Task struct{ ID, Name, Slot string }
}

// templates expands every template once, so that a mistake is told to who makes it and not task by task.
func templates(spec *swarm.ServiceSpec) error {
	c := spec.TaskTemplate.ContainerSpec
	if c == nil {
		return nil
	}
	s := scope{}
	s.Service.Name, s.Service.Labels = spec.Name, spec.Labels
	if err := expand(s, c.Hostname); err != nil {
		return httperr.BadRequest("expanding hostname failed: %s", err)
	}
	for _, env := range c.Env {
		if err := expand(s, env); err != nil {
			return httperr.BadRequest("expanding env failed: expanding env %q: %s", env, err)
		}
	}
	for _, m := range c.Mounts {
		if err := expand(s, m.Source); err != nil {
			return httperr.BadRequest("expanding mounts failed: expanding mount source %q: %s", m.Source, err)
		}
		if err := expand(s, m.Target); err != nil {
			return httperr.BadRequest("expanding mounts failed: expanding mount target %q: %s", m.Target, err)
		}
	}
	return nil
}

func expand(s scope, text string) error {
	if !strings.Contains(text, "{{") {
		return nil
	}
	t, err := template.New("expansion").Funcs(template.FuncMap{"join": func(sep string, parts ...string) string { return strings.Join(parts, sep) }}).Parse(text)
	if err != nil {
		return err
	}
	return t.Execute(io.Discard, s)
}
