package plan

import (
	"bytes"
	"maps"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/stack"
)

// secrets and configs are taken as they are if the name that says their content is there, or if docker stack deploy has
// made one with that content; otherwise they are made.
func (m *maker) secrets() {
	for _, one := range m.stack.Secrets {
		there := find(m.now.Secrets, one.Name, secretName)
		if there == nil && one.Versioned() {
			if plain := find(m.now.Secrets, one.Plain, secretName); plain != nil && m.ours(plain.Spec.Labels) && m.SameContent(plain) {
				m.renamed[one.Name], there = one.Plain, plain
			}
		}
		if !m.usable("secret", one.Object, there != nil, there != nil && m.ours(there.Spec.Labels)) {
			continue
		}
		if there == nil {
			m.Secrets = append(m.Secrets, one.Spec)
			continue
		}
		m.SecretIDs[there.Spec.Name] = there.ID
		if one.External {
			continue
		}
		if !one.Versioned() && one.Spec.Driver == nil && !m.SameContent(there) {
			m.problem("secret %s has another content in the cluster, and cannot change: give it another name, or no name and skep counts its versions", one.Name)
		}
		if labels, other := relabelled(there.Spec.Labels, one.Spec.Labels, m.renamed[one.Name] != ""); other {
			next := *there
			next.Spec.Labels = labels
			m.Relabel.Secrets = append(m.Relabel.Secrets, next)
		}
	}
}

// SameContent reports whether the cluster has said that a secret has the content asked for.
func (m *maker) SameContent(s *swarm.Secret) bool { return m.now.SameSecret[s.ID] }

func (m *maker) configs() {
	for _, one := range m.stack.Configs {
		there := find(m.now.Configs, one.Name, configName)
		if there == nil && one.Versioned() {
			if plain := find(m.now.Configs, one.Plain, configName); plain != nil && m.ours(plain.Spec.Labels) && sameConfig(plain, one.Spec) {
				m.renamed[one.Name], there = one.Plain, plain
			}
		}
		if !m.usable("config", one.Object, there != nil, there != nil && m.ours(there.Spec.Labels)) {
			continue
		}
		if there == nil {
			m.Configs = append(m.Configs, one.Spec)
			continue
		}
		m.ConfigIDs[there.Spec.Name] = there.ID
		if one.External {
			continue
		}
		if !sameConfig(there, one.Spec) {
			m.problem("config %s has another content in the cluster, and cannot change: give it another name, or no name and skep counts its versions", one.Name)
		}
		if labels, other := relabelled(there.Spec.Labels, one.Spec.Labels, m.renamed[one.Name] != ""); other {
			next := *there
			next.Spec.Labels = labels
			m.Relabel.Configs = append(m.Relabel.Configs, next)
		}
	}
}

// usable says what is wrong with an object that is not there and should be, or is there and somebody else's.
func (m *maker) usable(kind string, o stack.Object, there, ours bool) bool {
	switch {
	case o.External && !there:
		m.problem("%s %s is external and not there: make it with docker %s create %s FILE", kind, o.Name, kind, o.Name)
		return false
	case !o.External && there && !ours:
		m.problem("%s %s is there and not the stack's: write external: true, or give the stack's another name", kind, o.Name)
		return false
	}
	return true
}

// relabelled are the labels an object is to have, and whether that is a change. One that docker stack deploy made has no
// label of a version, and gets none: it would then be an old one some day.
func relabelled(now, asked map[string]string, kept bool) (map[string]string, bool) {
	labels := maps.Clone(asked)
	if kept {
		delete(labels, stack.LabelObject)
	}
	return labels, !maps.Equal(now, labels)
}

func sameConfig(there *swarm.Config, asked swarm.ConfigSpec) bool {
	return bytes.Equal(there.Spec.Data, asked.Data) && (there.Spec.Templating == nil) == (asked.Templating == nil)
}

func find[T any](all []T, name string, nameOf func(*T) string) *T {
	for i := range all {
		if nameOf(&all[i]) == name {
			return &all[i]
		}
	}
	return nil
}

func secretName(s *swarm.Secret) string { return s.Spec.Name }
func configName(c *swarm.Config) string { return c.Spec.Name }
