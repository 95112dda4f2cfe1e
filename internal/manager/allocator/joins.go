package allocator

import (
	"errors"
	"fmt"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// overlays are the networks a revision names, each once, of those that the cluster gives addresses on: a target that is
// no id is the engine's own network, and so is one that another driver addresses. The error is about the first that is
// not there or not ready; the list has the others.
func (p *plan) overlays(rev *model.ServiceRevision) (out []*model.Network, err error) {
	for _, target := range rev.Spec.Get().TaskTemplate.Networks {
		id, bad := model.ParseID(target.Target)
		if bad != nil || id.IsZero() {
			continue
		}
		n := store.Networks.ByID(p.v, id)
		if n == nil {
			err = first(err, fmt.Errorf("network %s was removed", target.Target))
			continue
		}
		switch waits := p.ready(n); {
		case waits != nil:
			err = first(err, waits)
		case p.space(n) != nil && !slices.Contains(out, n):
			out = append(out, n)
		}
	}
	return out, err
}

// ready says what a network waits for.
func (p *plan) ready(n *model.Network) error {
	a := p.get(n.ID)
	switch {
	case a == nil:
		return fmt.Errorf("network %s has no subnet yet", n.Name)
	case !a.Done:
		return fmt.Errorf("network %s: %s", n.Name, a.Err)
	}
	return nil
}

// ingress is the routing mesh's network.
func (p *plan) ingress() (*model.Network, error) {
	n := store.IngressNetwork(p.v)
	if n == nil {
		return nil, errors.New("there is no ingress network for the published ports: make one with docker network create --ingress")
	}
	if err := p.ready(n); err != nil {
		return nil, err
	}
	if p.space(n) == nil {
		return nil, fmt.Errorf("network %s has no addresses to give: make an ingress network of the overlay driver", n.Name)
	}
	return n, nil
}

// publishes says whether a revision has ports in the routing mesh.
func publishes(rev *model.ServiceRevision) bool { return len(store.MeshPorts(rev.Spec.Get())) > 0 }

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
