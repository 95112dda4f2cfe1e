package stack

import (
	"cmp"
	"io/fs"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/swarm"
)

// swarm's mode for a file in a container that says none.
const readable = 0o444

// secretReferences are in the order of the names docker stack deploy gives: another order would replace tasks.
func (s *service) secretReferences() []*swarm.SecretReference {
	var out []*swarm.SecretReference
	for _, r := range sortedReferences(s.Secrets, s.secretName) {
		f := fileTarget(r)
		out = append(out, &swarm.SecretReference{File: &swarm.SecretReferenceFileTarget{Name: f.Name, UID: f.UID, GID: f.GID, Mode: f.Mode}, SecretName: s.secretName(r.Source).Name})
	}
	return out
}

func (s *service) configReferences() []*swarm.ConfigReference {
	var out []*swarm.ConfigReference
	for _, r := range sortedReferences(s.Configs, s.configName) {
		f := fileTarget(r)
		out = append(out, &swarm.ConfigReference{File: &f, ConfigName: s.configName(r.Source).Name})
	}
	return out
}

func sortedReferences[R types.ServiceSecretConfig | types.ServiceConfigObjConfig](all []R, named func(string) Object) []types.FileReferenceConfig {
	var out []types.FileReferenceConfig
	for _, r := range all {
		out = append(out, types.FileReferenceConfig(r))
	}
	slices.SortStableFunc(out, func(a, b types.FileReferenceConfig) int {
		return cmp.Or(cmp.Compare(named(a.Source).Plain, named(b.Source).Plain), cmp.Compare(a.Target, b.Target))
	})
	return out
}

func (c *converter) secretName(key string) Object {
	for _, one := range c.stack.Secrets {
		if one.Key == key {
			return one.Object
		}
	}
	return Object{}
}

func (c *converter) configName(key string) Object {
	for _, one := range c.stack.Configs {
		if one.Key == key {
			return one.Object
		}
	}
	return Object{}
}

func fileTarget(r types.FileReferenceConfig) swarm.ConfigReferenceFileTarget {
	out := swarm.ConfigReferenceFileTarget{Name: cmp.Or(r.Target, r.Source), UID: cmp.Or(r.UID, "0"), GID: cmp.Or(r.GID, "0"), Mode: readable}
	if r.Mode != nil {
		out.Mode = fs.FileMode(*r.Mode) //nolint:gosec // twelve bits
	}
	return out
}
