package routes

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

// TestSwagger fails when the newest swagger knows a route that the table does not.
func TestSwagger(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/moby/moby/api").Output()
	if err != nil {
		t.Fatalf("find the API module: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "swagger.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var swagger struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(raw, &swagger); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, r := range Table() {
		if known[r.Key()] {
			t.Errorf("%s is in the table twice", r.Key())
		}
		known[r.Key()] = true
	}
	found := 0
	methods := []string{"get", "head", "post", "put", "delete", "patch", "options"}
	for path, operations := range swagger.Paths {
		for method := range operations {
			if !slices.Contains(methods, method) {
				continue
			}
			found++
			if key := strings.ToUpper(method) + " " + path; !known[key] {
				t.Errorf("%s is in the swagger and not in the table", key)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d routes read from the swagger", found)
	}
}

func TestMatch(t *testing.T) {
	mux := NewMux(Table())
	for _, tc := range []struct{ method, path, key, variable string }{
		{"GET", "/services", "GET /services", ""},
		{"GET", "/services/web", "GET /services/{id}", "web"},
		{"POST", "/services/create", "POST /services/create", ""},
		{"POST", "/services/create/update", "POST /services/{id}/update", "create"},
		{"GET", "/images/a/b/c:1/json", "GET /images/{name}/json", "a/b/c:1"},
		{"GET", "/images/json", "GET /images/json", ""},
		{"GET", "/images/json/json", "GET /images/{name}/json", "json"},
		{"DELETE", "/images/r:5000/x", "DELETE /images/{name}", "r:5000/x"},
		{"GET", "/plugins/a/b/json", "GET /plugins/{name}/json", "a/b"},
		{"GET", "/services/", "", ""},
		{"GET", "/services/a/b", "", ""},
		{"PUT", "/services/a", "", ""},
		{"GET", "/images//json", "", ""},
		{"GET", "services", "", ""},
		{"HEAD", "/_ping", "HEAD /_ping", ""},
	} {
		r, variable, ok := mux.Match(tc.method, tc.path)
		if ok != (tc.key != "") || ok && (r.Key() != tc.key || variable != tc.variable) {
			t.Errorf("%s %s = %q %q %v, want %q %q", tc.method, tc.path, r.Key(), variable, ok, tc.key, tc.variable)
		}
	}
}

func FuzzMatch(f *testing.F) {
	mux := NewMux(Table())
	f.Add("GET", "/images/a/b/json")
	f.Add("POST", "//")
	f.Fuzz(func(t *testing.T, method, path string) {
		r, variable, ok := mux.Match(method, path)
		if ok && r.Pattern != path && !strings.Contains(path, variable) {
			t.Fatalf("%s %s matched %s with %q", method, path, r.Key(), variable)
		}
	})
}
