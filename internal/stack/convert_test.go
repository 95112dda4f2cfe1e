package stack_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/compose"
	"github.com/skep-org/skep/internal/stack/finding"
)

// TestConvert: each script's input is a Compose file, or several files in txtar form with compose.yaml among them. The
// result is what is found, and the specs. Arguments: only=PART shows that part of each service alone; profile=NAME.
func TestConvert(t *testing.T) {
	datadriven.Walk(t, "testdata/convert", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Chdir(t.TempDir())
			files := txtar.Parse([]byte(d.Input))
			if len(files.Files) == 0 {
				files.Files = []txtar.File{{Name: "compose.yaml", Data: []byte(d.Input)}}
			}
			for _, f := range files.Files {
				require.NoError(t, os.MkdirAll(filepath.Dir(f.Name), 0o750))
				require.NoError(t, os.WriteFile(f.Name, f.Data, 0o600))
			}
			o := compose.Options{Name: "s", Environ: []string{"COLOUR=blue"}}
			only := ""
			for _, a := range d.CmdArgs {
				switch a.Key {
				case "only":
					only = a.Vals[0]
				case "profile":
					o.Profiles = a.Vals
				case "files":
					o.Files = a.Vals
				case "unnamed":
					o.Name = ""
				}
			}
			return convert(t, o, only)
		})
	})
}

func convert(t *testing.T, o compose.Options, only string) string {
	loaded, err := compose.Load(t.Context(), o)
	if err != nil {
		here, _ := os.Getwd()
		return "error: " + strings.ReplaceAll(err.Error(), here, "HERE") + "\n"
	}
	s, found := stack.Convert(stack.Input{Project: loaded.Project, Hosts: loaded.Hosts})
	var b strings.Builder
	found = loaded.Located(found)
	for _, f := range found {
		fmt.Fprintln(&b, f)
	}
	if finding.Count(found, finding.Refused) > 0 {
		return b.String()
	}
	b.WriteString(show(t, s, only))
	return b.String()
}

// show writes each object as JSON without what is empty.
func show(t *testing.T, s *stack.Stack, only string) string {
	var b strings.Builder
	if only == "" {
		for _, n := range s.Networks {
			fmt.Fprintf(&b, "network external=%v %s\n", n.External, compact(t, n.Create))
		}
		for _, o := range s.Secrets {
			fmt.Fprintf(&b, "secret external=%v %s %s\n", o.External, o.Name, compact(t, o.Spec))
		}
		for _, o := range s.Configs {
			fmt.Fprintf(&b, "config external=%v %s %s\n", o.External, o.Name, compact(t, o.Spec))
		}
	}
	here, err := os.Getwd()
	require.NoError(t, err)
	for _, one := range s.Builds {
		fmt.Fprintf(&b, "build %s\n", strings.ReplaceAll(compact(t, one), here, "HERE"))
	}
	for _, spec := range s.Services {
		var part any = spec
		for name := range strings.SplitSeq(only, ".") {
			if only != "" {
				part, _ = members(t, part)[name]
			}
		}
		text := compact(t, part)
		if only != "" {
			raw, err := json.Marshal(part)
			require.NoError(t, err)
			text = string(raw)
		}
		fmt.Fprintf(&b, "service %s %s\n", spec.Name, text)
	}
	return b.String()
}

func members(t *testing.T, v any) map[string]any {
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	out := map[string]any{}
	_ = json.Unmarshal(raw, &out)
	return out
}

func compact(t *testing.T, v any) string {
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	var decoded any
	require.NoError(t, json.Unmarshal(raw, &decoded))
	raw, err = json.Marshal(strip(decoded))
	require.NoError(t, err)
	return string(raw)
}

// strip takes out what is nothing.
func strip(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, below := range m {
		switch below := strip(below).(type) {
		case nil:
			delete(m, k)
		case bool:
			if !below {
				delete(m, k)
			}
		case float64:
			if below == 0 {
				delete(m, k)
			}
		case string:
			if below == "" {
				delete(m, k)
			}
		case map[string]any:
			if len(below) == 0 {
				delete(m, k)
			}
		case []any:
			if len(below) == 0 {
				delete(m, k)
			}
		}
	}
	return m
}
