package sim

import (
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	awaited "github.com/skep-org/skep/internal/manager/await"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
)

// depend has a drawn service wait for some of those with lower numbers, so that none waits for itself. Users remove and make
// services: one that is waited for may not be there.
func (w *world) depend(spec *swarm.ServiceSpec) {
	number := 0
	_, _ = fmt.Sscanf(spec.Name, "s%d", &number)
	conditions := []dependency.Condition{dependency.Started, dependency.Healthy, dependency.Healthy, dependency.Completed}
	for on := 1; on < number; on++ {
		if w.chance(600) {
			if spec.Labels == nil {
				spec.Labels = map[string]string{}
			}
			label, value := dependency.Dependency{Service: fmt.Sprintf("s%d", on), Condition: conditions[w.rng.IntN(len(conditions))]}.Label()
			spec.Labels[label] = value
		}
	}
}

// bides reports whether a service waits for others for good, and what is wrong with how it does so: every task that is wanted
// and has no node says for what. The others of its tasks are as they were, and are not looked at.
func bides(v store.View, s *model.Service, spec *swarm.ServiceSpec) (waits bool, wrong error) {
	unmet, _ := awaited.At(v).Unmet(dependency.Of(spec.Annotations))
	if len(unmet) == 0 {
		return false, nil
	}
	reason := dependency.Reason(unmet)
	for t := range store.TasksOf(v, s.ID) {
		p := store.Placements.ByID(v, t.ID)
		rev := store.Revisions.ByID(v, t.Revision)
		if t.Desired > model.StateComplete || p != nil && !p.NodeID.IsZero() || rev == nil || !dependency.Of(rev.Spec.Get().Annotations).Equal(dependency.Of(spec.Annotations)) {
			continue
		}
		if p == nil || p.Err != reason {
			return true, fmt.Errorf("task %s %s, and says %+v", t.ID, reason, p)
		}
	}
	return true, nil
}
