package stackcmd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/stack"
)

// heard is a stack without what the cluster does not hear of at a version of the API, which is that of its engines. What only
// makes something better is left out, and said; without the rest the stack would be another one.
func heard(s *stack.Stack, version string) (known *stack.Stack, left, refused []string) {
	v, ok := versions.Parse(version)
	if !ok {
		return s, nil, nil
	}
	out := *s
	out.Services = slices.Clone(s.Services)
	for i, spec := range out.Services {
		raw, err := json.Marshal(spec)
		if err != nil {
			continue // it cannot be asked for either
		}
		newer := versions.Newer(v, raw)
		for _, field := range newer {
			text := fmt.Sprintf("service %s asks for %s, which the API of this cluster's engines, %s, does not have", spec.Name, strings.TrimPrefix(field, "TaskTemplate."), version)
			if spared(field) {
				left = append(left, text+": it is left out")
			} else {
				refused = append(refused, text+": newer engines do")
			}
		}
		if len(newer) > 0 {
			var stripped swarm.ServiceSpec
			if json.Unmarshal(versions.Strip(v, versions.ServiceSpec, raw), &stripped) == nil {
				out.Services[i] = stripped
			}
		}
	}
	return &out, left, refused
}

// spared reports whether services do without a field.
func spared(field string) bool {
	return slices.ContainsFunc([]string{".StartInterval", ".OomScoreAdj", ".SwapBytes", ".MemorySwappiness"}, func(end string) bool { return strings.HasSuffix(field, end) })
}
