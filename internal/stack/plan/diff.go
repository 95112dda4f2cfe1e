package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/stack"
)

// Action is what is done to an object.
type Action string

// The actions, as they are shown.
const (
	Made    Action = "+"
	Changed Action = "~"
	Removed Action = "-"
)

// Change is one object that a plan writes.
type Change struct {
	Action Action
	Kind   string
	Name   string
	Note   string  // a few words
	Fields []Field // of a change
}

// Field is one value that becomes another. Old or New is empty where there is none.
type Field struct{ Path, Old, New string }

// Changes are all that a plan writes, in its order, and field by field what of a service becomes another. Of a secret or
// config there are only names and labels: no content.
func (p *Plan) Changes(now Current) []Change {
	var out []Change
	for _, s := range p.Prune {
		out = append(out, Change{Action: Removed, Kind: "service", Name: s.Spec.Name})
	}
	for _, n := range p.Networks {
		out = append(out, Change{Action: Made, Kind: "network", Name: n.Name, Note: networkNote(n)})
	}
	out = append(out, p.fileChanges(now)...)
	for _, spec := range p.Create {
		out = append(out, Change{Action: Made, Kind: "service", Name: spec.Name, Note: serviceNote(spec)})
	}
	names := names(now.Networks)
	for _, next := range p.Update {
		there := find(now.Services, next.Spec.Name, serviceName)
		out = append(out, Change{Action: Changed, Kind: "service", Name: next.Spec.Name, Fields: differences(there.Spec, next.Spec, names)})
	}
	for _, s := range p.OldSecrets {
		out = append(out, Change{Action: Removed, Kind: "secret", Name: s.Spec.Name, Note: "nothing needs this version any more"})
	}
	for _, c := range p.OldConfigs {
		out = append(out, Change{Action: Removed, Kind: "config", Name: c.Spec.Name, Note: "nothing needs this version any more"})
	}
	return out
}

func (p *Plan) fileChanges(now Current) []Change {
	var out []Change
	for _, next := range p.Relabel.Secrets {
		there := Secret(now.Secrets, next.Spec.Name)
		out = append(out, Change{Action: Changed, Kind: "secret", Name: next.Spec.Name, Fields: labelFields(there.Spec.Labels, next.Spec.Labels)})
	}
	for _, spec := range p.Secrets {
		older := slices.ContainsFunc(now.Secrets, func(s swarm.Secret) bool { return earlier(s.Spec.Annotations, spec.Annotations) })
		out = append(out, Change{Action: Made, Kind: "secret", Name: spec.Name, Note: versionNote(spec.Annotations, older)})
	}
	for _, next := range p.Relabel.Configs {
		there := find(now.Configs, next.Spec.Name, func(c *swarm.Config) string { return c.Spec.Name })
		out = append(out, Change{Action: Changed, Kind: "config", Name: next.Spec.Name, Fields: labelFields(there.Spec.Labels, next.Spec.Labels)})
	}
	for _, spec := range p.Configs {
		older := slices.ContainsFunc(now.Configs, func(c swarm.Config) bool { return earlier(c.Spec.Annotations, spec.Annotations) })
		out = append(out, Change{Action: Made, Kind: "config", Name: spec.Name, Note: versionNote(spec.Annotations, older)})
	}
	return out
}

// earlier reports whether one object is another version of what the file has by the same name.
func earlier(a, b swarm.Annotations) bool {
	return b.Labels[stack.LabelObject] != "" && a.Labels[stack.LabelObject] == b.Labels[stack.LabelObject] && a.Labels[stack.LabelNamespace] == b.Labels[stack.LabelNamespace]
}

func versionNote(a swarm.Annotations, older bool) string {
	if older {
		return "a new version of " + a.Labels[stack.LabelObject]
	}
	return ""
}

func networkNote(n network.CreateRequest) string {
	words := []string{cmp.Or(n.Driver, "overlay")}
	if n.Internal {
		words = append(words, "internal")
	}
	if n.Attachable {
		words = append(words, "attachable")
	}
	return strings.Join(words, ", ")
}

func serviceNote(spec swarm.ServiceSpec) string {
	out := model.ModeName(spec.Mode)
	if r := model.Filled(spec).Mode.Replicated; r != nil {
		out += fmt.Sprintf(" %d", *r.Replicas)
	}
	return out + ", " + spec.TaskTemplate.ContainerSpec.Image
}

func labelFields(old, next map[string]string) []Field {
	return compare(".Labels", anyOf(old), anyOf(next))
}

// differences are what of a spec becomes another, by the names of Docker's API, in order.
func differences(old, next swarm.ServiceSpec, networks map[string]string) []Field {
	return compare("", plain(filled(old, networks)), plain(filled(next, networks)))
}

// compare walks two values. Where something differs, at least one field says so.
func compare(path string, old, next any) []Field {
	if reflect.DeepEqual(old, next) {
		return nil
	}
	if a, b, both := as[map[string]any](old, next); both {
		return compareFields(path, a, b)
	}
	if a, b, both := as[[]any](old, next); both {
		if fields := compareElements(path, keyed(path, a), keyed(path, b)); len(fields) > 0 {
			return fields
		}
	}
	return []Field{{strings.TrimPrefix(path, "."), shown(old), shown(next)}}
}

// as reports whether both values are of a type, none being an empty one of any.
func as[T any](old, next any) (a, b T, both bool) {
	a, aIs := old.(T)
	b, bIs := next.(T)
	return a, b, (aIs || old == nil) && (bIs || next == nil)
}

func compareFields(path string, a, b map[string]any) []Field {
	var out []Field
	for _, k := range slices.Sorted(maps.Keys(union(a, b))) {
		out = append(out, compare(path+"."+k, a[k], b[k])...)
	}
	return out
}

// compareElements shows an element that is only in one of two lists as a whole.
func compareElements(path string, a, b map[string]any) []Field {
	var out []Field
	for _, k := range slices.Sorted(maps.Keys(union(a, b))) {
		at := path + "[" + k + "]"
		if a[k] == nil || b[k] == nil {
			out = append(out, Field{strings.TrimPrefix(at, "."), shown(a[k]), shown(b[k])})
			continue
		}
		out = append(out, compare(at, a[k], b[k])...)
	}
	return out
}

func union(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]any{}
	}
	maps.Copy(out, b)
	return out
}

func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// keyed turns a list into a map by what tells its elements apart, so that one more does not look as if all after it were
// others. Of words only those of the environment have a name; where the order counts, a list is one value.
func keyed(path string, list []any) map[string]any {
	out := map[string]any{}
	for i, one := range list {
		key := elementKey(one, i)
		if _, word := one.(string); word && !strings.HasSuffix(path, ".Env") {
			return nil
		}
		if _, taken := out[key]; taken {
			key = fmt.Sprintf("%s, %d", key, i)
		}
		out[key] = withoutIDs(one)
	}
	return out
}

// withoutIDs is a reference without the id of what it refers to: the name says more.
func withoutIDs(one any) any {
	fields, ok := one.(map[string]any)
	if !ok {
		return one
	}
	fields = maps.Clone(fields)
	delete(fields, "SecretID")
	delete(fields, "ConfigID")
	return fields
}

// elementKey is what tells an element of a list from others: the name in NAME=VALUE, or what swarm's lists have.
func elementKey(one any, i int) string {
	switch one := one.(type) {
	case string:
		name, _, _ := strings.Cut(one, "=")
		return name
	case map[string]any:
		if file, ok := one["File"].(map[string]any); ok {
			one = file
		}
		for _, k := range []string{"PublishedPort", "TargetPort", "Target", "Name"} {
			if v := shown(one[k]); v != "" {
				if protocol := shown(one["Protocol"]); protocol != "" {
					v += "/" + protocol
				}
				return v
			}
		}
	}
	return fmt.Sprint(i)
}

func anyOf(labels map[string]string) any {
	out := map[string]any{}
	for k, v := range labels {
		out[k] = v
	}
	return out
}
