package migrate

import (
	"bytes"
	"encoding/json"

	"github.com/moby/moby/api/types/swarm"
)

// Missing are the secrets whose content has to be given: the cluster has none of that name, and no driver knows it.
func Missing(want *Wanted, here Swarm) []string {
	var out []string
	for _, s := range want.Secrets {
		if !driven(s) && len(s.Data) == 0 && secret(here, s.Name) == nil {
			out = append(out, s.Name)
		}
	}
	return out
}

func driven(s swarm.SecretSpec) bool { return s.Driver != nil && s.Driver.Name != "" }

func secret(in Swarm, name string) *swarm.Secret {
	return find(in.Secrets, name, func(s *swarm.Secret) string { return s.Spec.Name })
}

// Secret is the cluster's of a name; nil: it has none.
func (s Swarm) Secret(name string) *swarm.Secret { return secret(s, name) }

func (m *maker) secrets() {
	for _, there := range m.here.Secrets {
		m.Writes.SecretIDs[there.Spec.Name] = there.ID
	}
	for _, want := range m.want.Secrets {
		there := secret(m.here, want.Name)
		if there == nil {
			if !driven(want) && len(want.Data) == 0 {
				m.problem("secret", want.Name, "no swarm tells what a secret is: give it by --secret %s=FILE, or as the file %s of the directory that --secrets names", want.Name, want.Name)
				continue
			}
			m.Writes.Secrets = append(m.Writes.Secrets, want)
			continue
		}
		same, compared := m.options.SameSecret[there.ID]
		if compared && !same || inJSON(want.Driver) != inJSON(there.Spec.Driver) || inJSON(want.Templating) != inJSON(there.Spec.Templating) {
			m.problem("secret", want.Name, "it is here already with another content, and contents cannot change: remove it here, or do not give its content to keep this one")
			continue
		}
		next := copied(*there)
		labels, changed := m.labels("secret", want.Name, next.Spec.Labels, want.Labels)
		if next.Spec.Labels = labels; changed {
			m.Writes.Relabel.Secrets = append(m.Writes.Relabel.Secrets, next)
		} else {
			m.Same++
		}
	}
}

func (m *maker) configs() {
	for _, there := range m.here.Configs {
		m.Writes.ConfigIDs[there.Spec.Name] = there.ID
	}
	for _, want := range m.want.Configs {
		there := find(m.here.Configs, want.Name, func(c *swarm.Config) string { return c.Spec.Name })
		if there == nil {
			m.Writes.Configs = append(m.Writes.Configs, want)
			continue
		}
		if !bytes.Equal(want.Data, there.Spec.Data) || inJSON(want.Templating) != inJSON(there.Spec.Templating) {
			m.problem("config", want.Name, "it is here already with another content, and contents cannot change: remove it here, or keep the swarm in a directory (--write), take it out there, and migrate from the directory")
			continue
		}
		next := copied(*there)
		labels, changed := m.labels("config", want.Name, next.Spec.Labels, want.Labels)
		if next.Spec.Labels = labels; changed {
			m.Writes.Relabel.Configs = append(m.Writes.Relabel.Configs, next)
		} else {
			m.Same++
		}
	}
}

func inJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
