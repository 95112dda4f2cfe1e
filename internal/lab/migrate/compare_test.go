package migrate

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"

	"github.com/skep-org/skep/internal/lab/differential/side"
)

// chosen are numbers that the swarm chose: of ports.
var chosen = regexp.MustCompile(`\b30\d{3}\b`)

func numbers(text string) string { return chosen.ReplaceAllString(text, "<port>") }

// named replaces the ids of a spec by the names they stand for.
func (s *scene) named(of *side.Side, v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = s.named(of, v[i])
		}
	case map[string]any:
		for _, id := range []string{"SecretID", "ConfigID"} {
			delete(v, id) // the name is beside it
		}
		if attached, ok := v["Networks"].([]any); ok {
			for _, a := range attached {
				one := a.(map[string]any)
				var n struct{ Name string }
				s.ask(of, "/networks/"+one["Target"].(string), &n)
				one["Target"] = n.Name
			}
		}
		for k := range v {
			v[k] = s.named(of, v[k])
		}
	}
	return v
}

// compare are the values that differ, "path: there → here".
func compare(path string, there, here any) []string {
	if reflect.DeepEqual(there, here) {
		return nil
	}
	a, aIs := there.(map[string]any)
	b, bIs := here.(map[string]any)
	if aIs && bIs {
		keys := maps.Clone(a)
		maps.Copy(keys, b)
		var out []string
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			out = append(out, compare(path+"."+k, a[k], b[k])...)
		}
		return out
	}
	return []string{fmt.Sprintf("%s: %s → %s", path, shown(there), shown(here))}
}

func shown(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
