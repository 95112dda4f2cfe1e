package plan

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model"
)

// Same reports whether two specs ask for the same, the second being the cluster's: that has ids of networks, and swarm's own
// values where nothing was asked for.
func Same(asked, there swarm.ServiceSpec, networks map[string]string) bool {
	return model.ModeName(asked.Mode) == model.ModeName(there.Mode) && reflect.DeepEqual(plain(filled(asked, networks)), plain(filled(there, networks)))
}

// plain is a spec as nested values, without what is empty: no list and an empty one are the same, and so on.
func plain(spec swarm.ServiceSpec) any {
	raw, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return err
	}
	return pruned(out)
}

func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			if below = pruned(below); below == nil {
				delete(v, k)
			} else {
				v[k] = below
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

// filled is a copy with what swarm does where nothing is asked for.
func filled(spec swarm.ServiceSpec, networks map[string]string) swarm.ServiceSpec {
	spec = model.Meant(model.Filled(spec))
	t := &spec.TaskTemplate
	t.Networks = named(t.Networks, networks)
	t.RestartPolicy.Window = cmp.Or(t.RestartPolicy.Window, new(time.Duration(0)))
	if spec.EndpointSpec == nil {
		spec.EndpointSpec = &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP}
	}
	return spec
}

func named(attached []swarm.NetworkAttachmentConfig, names map[string]string) []swarm.NetworkAttachmentConfig {
	out := slices.Clone(attached)
	for i := range out {
		out[i].Target = cmp.Or(names[out[i].Target], out[i].Target)
	}
	return out
}
