package await

import (
	"strings"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
)

// Circle finds services that would wait for each other if the one of that name waited for s: their names, of which the first
// is the last; nil: there are none. The one of that name may not exist yet.
func Circle(v store.View, name string, s dependency.Set) []string {
	c := &circle{v: v, first: name, seen: map[string]bool{}}
	if !c.reaches(s) {
		return nil
	}
	return append([]string{name}, c.path...)
}

// circle looks for a way from a service back to it.
type circle struct {
	v     store.View
	first string
	seen  map[string]bool
	path  []string // from what first waits for to first
}

func (c *circle) reaches(s dependency.Set) bool {
	for _, d := range s.List {
		name, svc := c.find(s, d)
		if strings.EqualFold(name, c.first) {
			c.path = []string{c.first}
			return true
		}
		if svc == nil || c.seen[svc.Name] {
			continue
		}
		c.seen[svc.Name] = true
		if rev := store.Revisions.ByID(c.v, svc.Revision); rev != nil && c.reaches(dependency.Of(rev.Spec.Get().Annotations)) {
			c.path = append([]string{svc.Name}, c.path...)
			return true
		}
	}
	return false
}

// find is find, for a view to which the first service was added.
func (c *circle) find(s dependency.Set, d dependency.Dependency) (string, *model.Service) {
	for _, name := range s.Names(d) {
		svc := store.ServiceNamed(c.v, name)
		if svc != nil || strings.EqualFold(name, c.first) {
			return name, svc
		}
	}
	return "", nil
}
