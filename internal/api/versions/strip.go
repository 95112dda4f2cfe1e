package versions

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// field is something that came with a version of the API. A path names members of objects; it goes into
// every element of the lists on its way.
type field struct {
	since Version
	path  string
}

// serviceSpec lists the fields of a service's spec that came after the oldest version answered. Docker takes none from
// a spec that came before 1.40, whatever version the client speaks, and sends all to everybody: so do we.
func serviceSpec() []field {
	const container = "TaskTemplate.ContainerSpec."
	return []field{
		{Version{1, 40}, container + "Sysctls"},
		{Version{1, 40}, container + "Privileges.CredentialSpec.Config"},
		{Version{1, 40}, container + "Configs.Runtime"},
		{Version{1, 40}, "TaskTemplate.Placement.MaxReplicas"},
		{Version{1, 41}, container + "CapabilityAdd"},
		{Version{1, 41}, container + "CapabilityDrop"},
		{Version{1, 41}, container + "Ulimits"},
		{Version{1, 41}, "TaskTemplate.Resources.Limits.Pids"},
		{Version{1, 41}, "Mode.ReplicatedJob"},
		{Version{1, 41}, "Mode.GlobalJob"},
		{Version{1, 42}, container + "Mounts.BindOptions.CreateMountpoint"},
		{Version{1, 40}, container + "Mounts.BindOptions.NonRecursive"},
		{Version{1, 44}, container + "Healthcheck.StartInterval"},
		{Version{1, 44}, container + "Privileges.Seccomp"},
		{Version{1, 44}, container + "Privileges.AppArmor"},
		{Version{1, 44}, container + "Privileges.NoNewPrivileges"},
		{Version{1, 44}, container + "Mounts.BindOptions.ReadOnlyNonRecursive"},
		{Version{1, 44}, container + "Mounts.BindOptions.ReadOnlyForceRecursive"},
		{Version{1, 45}, container + "Mounts.VolumeOptions.Subpath"},
		{Version{1, 46}, container + "Mounts.TmpfsOptions.Options"},
		{Version{1, 46}, container + "OomScoreAdj"},
		{Version{1, 48}, container + "Mounts.ImageOptions"},
		{Version{1, 52}, "TaskTemplate.Resources.SwapBytes"},
		{Version{1, 52}, "TaskTemplate.Resources.MemorySwappiness"},
	}
}

// Kind names an answer, or a part of a request, that fields are removed from.
type Kind uint8

// The kinds.
const (
	ServiceSpec Kind = iota // a spec in a request
	Service                 // one of GET /services
	Task                    // one of GET /tasks
	Node                    // one of GET /nodes
	Network                 // GET /networks, one or a list
	Swarm                   // GET /swarm
	Secret                  // one of GET /secrets
	Config                  // one of GET /configs
)

// table is every field skep knows to have come after Oldest, for one kind.
func table(kind Kind) []field {
	var fields []field
	under := func(prefix string, drop string) {
		for _, f := range serviceSpec() {
			path, ok := strings.CutPrefix(f.path, drop)
			if ok {
				fields = append(fields, field{f.since, prefix + path})
			}
		}
	}
	switch kind {
	case ServiceSpec:
		return serviceSpec()
	case Service:
		under("Spec.", "")
		under("PreviousSpec.", "")
		fields = append(fields, field{Version{1, 41}, "ServiceStatus"}, field{Version{1, 41}, "JobStatus"})
	case Task:
		under("Spec.", "TaskTemplate.")
		fields = append(fields, field{Version{1, 41}, "JobIteration"}, field{Version{1, 42}, "Volumes"})
	case Node:
		fields = append(fields, field{Version{1, 42}, "Description.CSIInfo"})
	case Network:
		fields = append(fields, field{Version{1, 47}, "EnableIPv4"}, field{Version{1, 52}, "Status"})
	}
	return fields
}

// Stripper removes the fields that are newer than a version from the texts of one kind.
type Stripper struct {
	newer [][]string
	names map[string]bool // the paths' last members
	spec  bool            // a request's, not an answer's
}

// NewStripper makes one for answers, or requests, of a version.
func NewStripper(v Version, kind Kind) *Stripper {
	s := &Stripper{names: map[string]bool{}, spec: kind == ServiceSpec}
	if !v.Less(Newest()) {
		return s
	}
	for _, f := range table(kind) {
		if v.Less(f.since) {
			path := strings.Split(f.path, ".")
			s.newer, s.names[path[len(path)-1]] = append(s.newer, path), true
		}
	}
	return s
}

// Strip returns the JSON text without those fields: the same bytes when there are none, which is the common case and costs
// one search of an answer. Answers are in JSON's compact form.
func (s *Stripper) Strip(text []byte) []byte {
	// A cheap no for most answers. A request is small, and may spell names in any case and with space behind them.
	if len(s.newer) == 0 || !s.spec && !mentions(text, s.names) {
		return text
	}
	return removeAll(text, s.newer)
}

// Strip is [Stripper.Strip] of one text.
func Strip(v Version, kind Kind, text []byte) []byte { return NewStripper(v, kind).Strip(text) }

// Newer are the fields of a service's spec, as JSON text, that ask for something and are newer than v: a cluster that is asked
// by that version does not hear of them.
func Newer(v Version, spec []byte) []string {
	var decoded any
	if json.Unmarshal(spec, &decoded) != nil {
		return nil
	}
	var out []string
	for _, f := range serviceSpec() {
		if v.Less(f.since) && asks(decoded, strings.Split(f.path, ".")) {
			out = append(out, f.path)
		}
	}
	return out
}

// asks reports whether some element on the way of a path has a value that is not what is there without it.
func asks(value any, path []string) bool {
	switch v := value.(type) {
	case []any:
		return slices.ContainsFunc(v, func(element any) bool { return asks(element, path) })
	case map[string]any:
		if len(path) > 0 {
			return asks(v[path[0]], path[1:])
		}
		return len(v) > 0
	case nil:
		return false
	case bool:
		return v
	case float64:
		return v != 0
	}
	return value != ""
}

// Without removes from the JSON text the members that the paths name.
func Without(text []byte, paths ...string) []byte {
	split := make([][]string, len(paths))
	for i, path := range paths {
		split[i] = strings.Split(path, ".")
	}
	return removeAll(text, split)
}

// removeAll returns the same bytes when there is nothing to remove.
func removeAll(text []byte, paths [][]string) []byte {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var decoded any
	if d.Decode(&decoded) != nil {
		return text
	}
	changed := false
	for _, path := range paths {
		changed = remove(decoded, path) || changed
	}
	if !changed {
		return text
	}
	out, err := json.Marshal(decoded)
	if err != nil {
		return text
	}
	return out
}

// mentions reports whether compact JSON has a member of one of the names.
func mentions(text []byte, names map[string]bool) bool {
	var lengths [64]bool // of the names: most members are told apart by theirs, without a look at the map
	for name := range names {
		lengths[len(name)%len(lengths)] = true
	}
	for {
		i := bytes.Index(text, []byte(`":`))
		if i < 0 {
			return false
		}
		name := text[bytes.LastIndexByte(text[:i], '"')+1 : i]
		if lengths[len(name)%len(lengths)] && names[string(name)] {
			return true
		}
		text = text[i+2:]
	}
}

// remove deletes what path names below value.
func remove(value any, path []string) bool {
	removed := false
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			removed = remove(element, path) || removed
		}
	case map[string]any:
		for name, member := range v {
			switch {
			case !strings.EqualFold(name, path[0]):
			case len(path) > 1:
				removed = remove(member, path[1:]) || removed
			default:
				delete(v, name)
				removed = true
			}
		}
	}
	return removed
}
