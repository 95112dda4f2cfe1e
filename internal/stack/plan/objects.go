package plan

import (
	"bytes"
	"maps"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/stack"
)

// secrets are taken as they are if the name that says their content is there, or if docker stack deploy has made one with
// that content; otherwise they are made. The cluster shows nobody what a secret is: it was asked whether it is the same.
func (m *maker) secrets() {
	for _, one := range m.stack.Secrets {
		do := settle(m, files[swarm.Secret]{
			kind: "secret", all: m.now.Secrets, ids: m.SecretIDs,
			of: func(s *swarm.Secret) (string, *swarm.Annotations) { return s.ID, &s.Spec.Annotations },
			same: func(s *swarm.Secret) bool {
				return one.Spec.Driver != nil || one.Versioned() && s.Spec.Name == one.Name || m.now.SameSecret[s.ID]
			},
		}, one.Object, one.Spec.Labels)
		if do.make {
			m.Secrets = append(m.Secrets, one.Spec)
		}
		if do.relabel != nil {
			m.Relabel.Secrets = append(m.Relabel.Secrets, *do.relabel)
		}
		one.Object, one.Spec.Data = do.is, nil
		m.Stack.Secrets = append(m.Stack.Secrets, one)
	}
}

func (m *maker) configs() {
	for _, one := range m.stack.Configs {
		do := settle(m, files[swarm.Config]{
			kind: "config", all: m.now.Configs, ids: m.ConfigIDs,
			of:   func(c *swarm.Config) (string, *swarm.Annotations) { return c.ID, &c.Spec.Annotations },
			same: func(c *swarm.Config) bool { return sameConfig(c, one.Spec) },
		}, one.Object, one.Spec.Labels)
		if do.make {
			m.Configs = append(m.Configs, one.Spec)
		}
		if do.relabel != nil {
			m.Relabel.Configs = append(m.Relabel.Configs, *do.relabel)
		}
		one.Object, one.Spec.Data = do.is, nil
		m.Stack.Configs = append(m.Stack.Configs, one)
	}
}

// files are the cluster's secrets, or its configs.
type files[T any] struct {
	kind string
	all  []T
	ids  map[string]string // takes those that are there
	of   func(*T) (id string, a *swarm.Annotations)
	same func(*T) bool // whether one has the content asked for
}

func (f files[T]) named(name string) *T {
	return find(f.all, name, func(one *T) string { _, a := f.of(one); return a.Name })
}

// todo is what to do about a secret or config.
type todo[T any] struct {
	make    bool
	relabel *T
	is      stack.Object // as the cluster has it from then on
}

func settle[T any](m *maker, f files[T], one stack.Object, labels map[string]string) todo[T] {
	do := todo[T]{is: one}
	there := f.named(one.Name)
	if there == nil && one.Versioned() && !one.Recorded {
		if plain := f.named(one.Plain); plain != nil && m.ours(f.labels(plain)) && f.same(plain) {
			m.renamed[one.Name], there = one.Plain, plain
			do.is.Name = one.Plain
		}
	}
	if !m.usable(f.kind, one, there != nil, there != nil && m.ours(f.labels(there))) {
		return do
	}
	if there == nil {
		do.make = true
		return do
	}
	id, a := f.of(there)
	f.ids[a.Name] = id
	if one.External || one.Recorded {
		return do
	}
	if !f.same(there) {
		m.problem("%s %s has another content in the cluster, and cannot change: give it another name, or no name and skep counts its versions", f.kind, one.Name)
	}
	if next, other := relabelled(a.Labels, labels, m.renamed[one.Name] != ""); other {
		changed := *there
		_, a := f.of(&changed)
		a.Labels = next
		do.relabel = &changed
	}
	return do
}

func (f files[T]) labels(one *T) map[string]string {
	_, a := f.of(one)
	return a.Labels
}

// usable says what is wrong with an object that is not there and should be, or is there and somebody else's.
func (m *maker) usable(kind string, o stack.Object, there, ours bool) bool {
	switch {
	case o.External && !there:
		m.problem("%s %s is external and not there: make it with docker %s create %s FILE", kind, o.Name, kind, o.Name)
		return false
	case o.Recorded && !there:
		m.problem("%s %s is gone, and only the files have its content: deploy them as they were then", kind, o.Name)
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

// Secret is the cluster's of a name, nil if there is none.
func Secret(all []swarm.Secret, name string) *swarm.Secret {
	return find(all, name, func(s *swarm.Secret) string { return s.Spec.Name })
}
