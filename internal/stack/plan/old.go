package plan

import (
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/stack"
)

// old are the versions of secrets and configs that nothing refers to any more: not what is deployed, no service of the
// cluster, neither now nor when it is rolled back, and no revision of the stack.
func (m *maker) old() {
	secrets, configs := Used(m.now.Services)
	for _, s := range m.now.Secrets {
		if m.version(s.Spec.Annotations) && !secrets[s.ID] && m.SecretIDs[s.Spec.Name] == "" {
			m.OldSecrets = append(m.OldSecrets, s)
		}
	}
	for _, c := range m.now.Configs {
		if m.version(c.Spec.Annotations) && !configs[c.ID] && m.ConfigIDs[c.Spec.Name] == "" {
			m.OldConfigs = append(m.OldConfigs, c)
		}
	}
}

// version reports whether an object is one of the stack's versions that may go.
func (m *maker) version(a swarm.Annotations) bool {
	return m.ours(a.Labels) && a.Labels[stack.LabelObject] != "" && !m.now.Kept[a.Name]
}

// Used are the ids of the secrets and configs that services refer to, or did before their last change.
func Used(services []swarm.Service) (secrets, configs map[string]bool) {
	secrets, configs = map[string]bool{}, map[string]bool{}
	for i := range services {
		for _, spec := range []*swarm.ServiceSpec{&services[i].Spec, services[i].PreviousSpec} {
			if spec == nil || spec.TaskTemplate.ContainerSpec == nil {
				continue
			}
			for _, r := range spec.TaskTemplate.ContainerSpec.Secrets {
				secrets[r.SecretID] = true
			}
			for _, r := range spec.TaskTemplate.ContainerSpec.Configs {
				configs[r.ConfigID] = true
			}
		}
	}
	return secrets, configs
}
