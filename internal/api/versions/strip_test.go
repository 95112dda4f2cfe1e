package versions

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

func TestStrip(t *testing.T) {
	for _, tc := range []struct {
		version  string
		kind     Kind
		in, want string
	}{
		{"1.39", Service, `{"Spec":{"TaskTemplate":{"ContainerSpec":{"Sysctls":{"a":"b"},"Image":"x"}}}}`, `{"Spec":{"TaskTemplate":{"ContainerSpec":{"Image":"x"}}}}`},
		{"1.40", Service, `{"Spec":{"TaskTemplate":{"ContainerSpec":{"Sysctls":{"a":"b"}}}}}`, `{"Spec":{"TaskTemplate":{"ContainerSpec":{"Sysctls":{"a":"b"}}}}}`},
		{"1.41", Task, `[{"ID":"a","Volumes":null},{"ID":"b","Volumes":null}]`, `[{"ID":"a"},{"ID":"b"}]`},
		{"1.56", Task, `[{"ID":"a","Volumes":null}]`, `[{"ID":"a","Volumes":null}]`},
		{"1.43", ServiceSpec, `{"tasktemplate":{"containerspec":{"privileges":{"nonewprivileges":true}}}}`, `{"tasktemplate":{"containerspec":{"privileges":{}}}}`},
		{"1.44", ServiceSpec, `{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"TmpfsOptions":{"Options":[],"Mode":1}},{}]}}}`, `{"TaskTemplate":{"ContainerSpec":{"Mounts":[{"TmpfsOptions":{"Mode":1}},{}]}}}`},
		{"1.24", ServiceSpec, `not json "Sysctls"`, `not json "Sysctls"`},
	} {
		v, _ := Parse(tc.version)
		if got := string(Strip(v, tc.kind, []byte(tc.in))); got != tc.want {
			t.Errorf("%s: %s\ngot  %s\nwant %s", tc.version, tc.in, got, tc.want)
		}
	}
}

// TestTableAgreesWithSwagger holds each field of a spec that came with 1.40 or later against the published
// definitions: it is not there in the version before, and there in the newest.
func TestTableAgreesWithSwagger(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/moby/moby/api").Output()
	if err != nil {
		t.Fatalf("find the API module: %v", err)
	}
	docs := map[int]document{}
	load := func(minor int) document {
		if d, ok := docs[minor]; ok {
			return d
		}
		raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "docs", "v1."+strconv.Itoa(minor)+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var d document
		if err := yaml.Unmarshal(raw, &d); err != nil {
			t.Fatal(err)
		}
		docs[minor] = d
		return d
	}
	// The swagger was corrected late for these; the change log names the version in the table.
	late := map[string]bool{"Mode.ReplicatedJob": true, "Mode.GlobalJob": true,
		"TaskTemplate.ContainerSpec.Mounts.TmpfsOptions.Options": true, "TaskTemplate.ContainerSpec.Configs.Runtime": true,
		"TaskTemplate.ContainerSpec.Privileges.NoNewPrivileges": true}
	for _, f := range serviceSpec() {
		path := strings.Split(f.path, ".")
		if !load(Newest().Minor).has("ServiceSpec", path) {
			t.Errorf("%s: not in the newest definitions", f.path)
		}
		if f.since.Minor >= 40 && !late[f.path] && load(f.since.Minor-1).has("ServiceSpec", path) {
			t.Errorf("%s: already in %d", f.path, f.since.Minor-1)
		}
	}
}

type document struct {
	Definitions map[string]map[string]any
}

// has follows a path through properties, references and lists.
func (d document) has(definition string, path []string) bool {
	var node any = anyMap(d.Definitions[definition])
	for _, name := range path {
		next, ok := d.property(node, name)
		if !ok {
			return false
		}
		node = next
	}
	return true
}

func anyMap(m map[string]any) map[any]any {
	out := map[any]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (d document) property(node any, name string) (any, bool) {
	m, ok := node.(map[any]any)
	if !ok {
		return nil, false
	}
	if ref, ok := m["$ref"].(string); ok {
		return d.property(anyMap(d.Definitions[strings.TrimPrefix(ref, "#/definitions/")]), name)
	}
	if all, ok := m["allOf"].([]any); ok {
		for _, part := range all {
			if p, ok := d.property(part, name); ok {
				return p, true
			}
		}
	}
	if items, ok := m["items"]; ok {
		return d.property(items, name)
	}
	properties, ok := m["properties"].(map[any]any)
	if !ok {
		return nil, false
	}
	p, ok := properties[name]
	return p, ok
}

// TestNewer: what a spec asks for beyond a version, wherever it stands; what it does not ask for is none of it.
func TestNewer(t *testing.T) {
	const spec = `{"TaskTemplate":{"ContainerSpec":{"Healthcheck":{"StartInterval":1},"OomScoreAdj":0,"Privileges":{"NoNewPrivileges":false},` +
		`"Mounts":[{},{"VolumeOptions":{"Subpath":"a"}}],"Ulimits":[]},"Resources":null},"Mode":{"ReplicatedJob":{}}}`
	for version, want := range map[Version][]string{
		{1, 41}: {"TaskTemplate.ContainerSpec.Healthcheck.StartInterval", "TaskTemplate.ContainerSpec.Mounts.VolumeOptions.Subpath"},
		{1, 44}: {"TaskTemplate.ContainerSpec.Mounts.VolumeOptions.Subpath"},
		{1, 45}: nil,
	} {
		if got := Newer(version, []byte(spec)); !slices.Equal(got, want) {
			t.Errorf("at %v: %v, not %v", version, got, want)
		}
	}
}
