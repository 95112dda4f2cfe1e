package plan

import (
	"slices"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/stack"
	"pgregory.net/rapid"
)

// TestDependenciesFirst: every service is there once, and after those it depends on; of services that depend on nothing the
// order stays.
func TestDependenciesFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.Permutation([]string{"a", "b", "c", "d", "e"}).Draw(t, "the order in which they may depend")
		specs := map[string]swarm.ServiceSpec{}
		for i, name := range names {
			spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "s_" + name, Labels: map[string]string{stack.LabelNamespace: "s"}}}
			for _, on := range names[:i] {
				if rapid.Bool().Draw(t, name+" depends on "+on) {
					label, value := dependency.Dependency{Service: on, Condition: dependency.Started}.Label()
					spec.Labels[label] = value
				}
			}
			specs[name] = spec
		}
		var sorted []swarm.ServiceSpec
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			sorted = append(sorted, specs[name])
		}
		got := dependenciesFirst(sorted)
		place := func(name string) int {
			return slices.IndexFunc(got, func(s swarm.ServiceSpec) bool { return s.Name == "s_"+name })
		}
		if len(got) != len(names) {
			t.Fatalf("%d services became %d", len(names), len(got))
		}
		free := true
		for name, spec := range specs {
			for _, d := range dependency.Of(spec.Annotations).List {
				free = false
				if place(d.Service) > place(name) {
					t.Fatalf("%s comes before %s, on which it depends", name, d.Service)
				}
			}
		}
		if free && !slices.EqualFunc(got, sorted, func(a, b swarm.ServiceSpec) bool { return a.Name == b.Name }) {
			t.Fatal("the order has changed")
		}
	})
}
