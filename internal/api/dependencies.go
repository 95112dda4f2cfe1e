package api

import (
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/manager/await"
	"github.com/skep-org/skep/internal/model/dependency"
	"github.com/skep-org/skep/internal/store"
)

// checkDependencies refuses labels that name no dependency, and services that would wait for each other as the view has them.
// Of two requests at the same time each may bring a half of such a circle: their tasks say what they wait for.
func checkDependencies(v store.View, spec *swarm.ServiceSpec) error {
	if err := dependency.Check(spec.Labels); err != nil {
		return httperr.BadRequest("%s", err)
	}
	circle := await.Circle(v, spec.Name, dependency.Of(spec.Annotations))
	switch {
	case circle == nil:
		return nil
	case len(circle) == 2:
		return httperr.BadRequest("service %s cannot depend on itself: leave the label out", spec.Name)
	}
	return httperr.BadRequest("services cannot wait for each other: %s. Leave one of the labels %s* out", strings.Join(circle, " depends on "), dependency.Prefix)
}
