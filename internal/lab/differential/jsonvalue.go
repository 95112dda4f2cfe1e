package differential

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// value walks a decoded document: numbers that are measured become words,
// version indexes become ranks, and lists get an order that does not depend on
// random ids.
func (n *normaliser) value(v any) any {
	switch v := v.(type) {
	case []any:
		sortObjects(v)
		for i := range v {
			v[i] = n.value(v[i])
		}
		return v
	case map[string]any:
		return n.object(v)
	}
	return v
}

// measured are keys whose values belong to this run or this machine.
var measured = map[string]string{
	"PID": "<pid>", "TrustRoot": "<pem>", "CertIssuerSubject": "<certificate>", "CertIssuerPublicKey": "<certificate>",
	"MemoryBytes@Resources": "<bytes>", "NanoCPUs@Resources": "<cpus>", "timeNano": "<time>", "time": "<time>",
}

func (n *normaliser) object(o map[string]any) any {
	// The CLI keeps an environment in a map while it changes it.
	if env, ok := o["Env"].([]any); ok {
		slices.SortFunc(env, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	if version, ok := o["Version"].(map[string]any); ok {
		if index, ok := version["Index"].(json.Number); ok {
			version["Index"] = n.versions.rank(fmt.Sprint(o["ID"]), index.String())
		}
	}
	// An engine with IPv6 reports each published port twice.
	if ports, ok := o["PortStatus"].(map[string]any); ok {
		if list, ok := ports["Ports"].([]any); ok {
			ports["Ports"] = slices.CompactFunc(list, func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		}
	}
	for key, val := range o {
		if word, ok := measured[key]; ok {
			if _, isObject := val.(map[string]any); !isObject && val != "" {
				o[key] = word
				continue
			}
		}
		if key == "Description" {
			describeNode(val)
		}
		o[key] = n.value(val)
	}
	return o
}

// describeNode hides the machine's size; reservations in specs keep theirs.
func describeNode(v any) {
	d, ok := v.(map[string]any)
	if !ok {
		return
	}
	r, ok := d["Resources"].(map[string]any)
	if !ok {
		return
	}
	for key := range r {
		if word, ok := measured[key+"@Resources"]; ok {
			r[key] = word
		}
	}
}

// sortObjects orders a list of API objects by name, slot and age, as they come
// in the order of their random ids, and a container's mounts, which the engine
// keeps in a map. Other lists keep their order: it is data.
func sortObjects(list []any) {
	for _, v := range list {
		o, ok := v.(map[string]any)
		if !ok || o["ID"] == nil && o["Id"] == nil && o["Destination"] == nil {
			return
		}
	}
	slices.SortStableFunc(list, func(a, b any) int {
		x, y := a.(map[string]any), b.(map[string]any)
		return cmp.Or(
			cmp.Compare(nameOf(x), nameOf(y)),
			cmp.Compare(slotOf(x), slotOf(y)),
			cmp.Compare(fmt.Sprint(x["Destination"]), fmt.Sprint(y["Destination"])),
			cmp.Compare(fmt.Sprint(x["CreatedAt"]), fmt.Sprint(y["CreatedAt"])),
		)
	})
}

func nameOf(o map[string]any) string {
	if spec, ok := o["Spec"].(map[string]any); ok && spec["Name"] != nil {
		return fmt.Sprint(spec["Name"])
	}
	if o["Name"] != nil {
		return fmt.Sprint(o["Name"])
	}
	return ""
}

func slotOf(o map[string]any) int {
	slot, _ := o["Slot"].(json.Number)
	i, _ := strconv.Atoi(slot.String())
	return i
}

// versions ranks the version indexes seen of each object, since the numbers
// count everything that happened in the cluster.
type versions struct{ seen map[string][]string }

func newVersions() *versions { return &versions{seen: map[string][]string{}} }

func (v *versions) rank(object, index string) string {
	i := slices.Index(v.seen[object], index)
	if i < 0 {
		v.seen[object] = append(v.seen[object], index)
		i = len(v.seen[object]) - 1
	}
	return "<v" + strconv.Itoa(i+1) + ">"
}
