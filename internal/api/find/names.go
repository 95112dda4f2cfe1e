package find

import (
	"iter"
	"strings"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// ServiceName is a service's name, also when the service is gone and only its tasks are left.
func ServiceName(v store.View, t *model.Task) string {
	if s := store.Services.ByID(v, t.ServiceID); s != nil {
		return s.Name
	}
	if r := store.Revisions.ByID(v, t.Revision); r != nil {
		return r.Spec.Get().Name
	}
	return ""
}

// TaskName is the name of a task's container.
func TaskName(v store.View, t *model.Task) string {
	return executor.TaskName(ServiceName(v, t), t.Slot, t.NodeID, t.ID)
}

// ServiceNamed is the service that has taken a name, or nil. As in swarm, two names may not differ in case
// only.
func ServiceNamed(v store.View, name string) *model.Service {
	return named(store.ServiceByName(v, name), store.Services.All(v), name, func(s *model.Service) string { return s.Name })
}

// SecretNamed is the secret that has taken a name, or nil.
func SecretNamed(v store.View, name string) *model.Secret {
	return named(store.SecretByName(v, name), store.Secrets.All(v), name, func(s *model.Secret) string { return s.Name })
}

// ConfigNamed is the config that has taken a name, or nil.
func ConfigNamed(v store.View, name string) *model.Config {
	return named(store.ConfigByName(v, name), store.Configs.All(v), name, func(c *model.Config) string { return c.Name })
}

// NetworkNamed is the network that has taken a name, or nil.
func NetworkNamed(v store.View, name string) *model.Network {
	return named(store.NetworkByName(v, name), store.Networks.All(v), name, func(n *model.Network) string { return n.Name })
}

// named prefers the name as it is written; only when there is none it looks through all.
func named[R any](exact *R, all iter.Seq[*R], name string, of func(*R) string) *R {
	if exact != nil {
		return exact
	}
	for row := range all {
		if strings.EqualFold(of(row), name) {
			return row
		}
	}
	return nil
}
