package swagger

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v2"
)

// Document is the description of one version.
type Document struct {
	Version     string
	definitions map[string]any
	paths       map[string]any
}

// Load reads the description of a version, "1.41", from the API module this module requires.
func Load(ctx context.Context, version string) (*Document, error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/moby/moby/api").Output()
	if err != nil {
		return nil, fmt.Errorf("finding the API module: %w", err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "docs", "v"+version+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the description of API %s: %w", version, err)
	}
	var d any
	if err := yaml.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("reading the description of API %s: %w", version, err)
	}
	return &Document{Version: version, definitions: members(lookup(d, "definitions")), paths: members(lookup(d, "paths"))}, nil
}

// members are the members of a mapping by name; empty when it is none.
func members(value any) map[string]any {
	out := map[string]any{}
	if m, ok := value.(map[any]any); ok {
		for key, v := range m {
			out[fmt.Sprint(key)] = v
		}
	}
	return out
}

// lookup is the member of a mapping; status codes are numbers there.
func lookup(value any, name string) any {
	m, ok := value.(map[any]any)
	if !ok {
		return nil
	}
	if inner, ok := m[name]; ok {
		return inner
	}
	for key, inner := range m {
		if fmt.Sprint(key) == name {
			return inner
		}
	}
	return nil
}

// Operation is one method of one path.
type Operation struct {
	Method, Pattern string
	doc             *Document
	node            any
}

// Key names an operation, "GET /services/{id}".
func (o Operation) Key() string { return o.Method + " " + o.Pattern }

// Operation finds what a request without its version asks; a literal path goes before one with a variable.
func (d *Document) Operation(method, path string) (Operation, bool) {
	if o := lookup(d.paths[path], strings.ToLower(method)); o != nil {
		return Operation{method, path, d, o}, true
	}
	segments := strings.Split(path, "/")
	for pattern, methods := range d.paths {
		if o := lookup(methods, strings.ToLower(method)); o != nil && fits(strings.Split(pattern, "/"), segments) {
			return Operation{method, pattern, d, o}, true
		}
	}
	return Operation{}, false
}

func fits(pattern, segments []string) bool {
	if len(pattern) != len(segments) {
		return false
	}
	for i, p := range pattern {
		if variable := strings.HasPrefix(p, "{"); variable && segments[i] == "" || !variable && p != segments[i] {
			return false
		}
	}
	return true
}

// answer is the schema of what is answered with a status.
func (o Operation) answer(status string) any {
	return lookup(lookup(lookup(o.node, "responses"), status), "schema")
}
