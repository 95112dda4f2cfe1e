package dependency

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
)

// Prefix is that of the labels; the name of the service depended on follows.
const Prefix = "skep.depends-on."

// namespace is the label by which docker stack and skep stack say whose stack a service is of.
const namespace = "com.docker.stack.namespace"

// Condition is what has to hold of a service.
type Condition string

// The conditions, as the Compose Specification names them.
const (
	Started   Condition = "service_started"
	Healthy   Condition = "service_healthy"
	Completed Condition = "service_completed_successfully"
)

// Known reports whether there is such a condition.
func (c Condition) Known() bool { return c == Started || c == Healthy || c == Completed }

// Dependency is one service that another waits for.
type Dependency struct {
	Service   string // as the label has it: a name of the service's own stack, or the full one
	Condition Condition
}

// Owns reports whether a label is one of a dependency.
func Owns(label string) bool { return strings.HasPrefix(label, Prefix) }

// Label is the dependency as a label.
func (d Dependency) Label() (key, value string) { return Prefix + d.Service, string(d.Condition) }

// Set is all that a service waits for.
type Set struct {
	Stack string // the service's; empty: of none
	List  []Dependency
}

// Of reads what a service's labels name, by name. Labels that cannot be read are left out: the api has refused them, unless a
// build that knows more has not.
func Of(a swarm.Annotations) Set {
	s := Set{Stack: a.Labels[namespace]}
	for label, value := range a.Labels {
		if d, err := parse(label, value); err == nil && Owns(label) {
			s.List = append(s.List, d)
		}
	}
	slices.SortFunc(s.List, func(a, b Dependency) int { return cmp.Compare(a.Service, b.Service) })
	return s
}

// Check refuses labels that name no dependency. An error names the label.
func Check(labels map[string]string) error {
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if !Owns(label) {
			continue
		}
		if _, err := parse(label, labels[label]); err != nil {
			return fmt.Errorf("label %s=%s: %w", label, labels[label], err)
		}
	}
	return nil
}

func parse(label, value string) (Dependency, error) {
	d := Dependency{Service: strings.TrimPrefix(label, Prefix), Condition: Condition(strings.TrimSpace(value))}
	switch {
	case d.Service == "" || strings.ContainsAny(d.Service, " \t\n/"):
		return d, fmt.Errorf("%q is no name of a service: write %sNAME", d.Service, Prefix)
	case !d.Condition.Known():
		return d, fmt.Errorf("it is %s, %s or %s", Started, Healthy, Completed)
	}
	return d, nil
}

// Names are those under which the service of a dependency is looked for, the first that there is counts.
func (s Set) Names(d Dependency) []string {
	if s.Stack == "" {
		return []string{d.Service}
	}
	return []string{s.Stack + "_" + d.Service, d.Service}
}

// Equal reports whether both wait for the same.
func (s Set) Equal(o Set) bool { return s.Stack == o.Stack && slices.Equal(s.List, o.List) }
