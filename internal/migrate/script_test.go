package migrate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/skep-org/skep/internal/stack/plan"
)

// TestScripts: a swarm in YAML, by the names of Docker's API. Commands: carry shows what is wanted of it and what is said; here
// says what the cluster has, want what it is to have; plan (update, without=…, node=(OLD=NEW), running) shows what is to be written; give (NAME=CONTENT)
// gives secrets their contents; take has the cluster have what was planned.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.run(t, d) })
	})
}

type script struct {
	from, here Swarm
	want       *Wanted
	last       *Plan
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "carry":
		s.from, s.here = Swarm{}, Swarm{}
		read(t, d.Input, &s.from)
		want, found := Carry(s.from)
		s.want = want
		return wantedLines(t, want) + sentences(found)
	case "want":
		s.want = &Wanted{}
		read(t, d.Input, s.want)
	case "here":
		s.here = Swarm{}
		read(t, d.Input, &s.here)
	case "give":
		for _, a := range d.CmdArgs {
			for i := range s.want.Secrets {
				if s.want.Secrets[i].Name == a.Key {
					s.want.Secrets[i].Data = []byte(a.Vals[0])
				}
			}
		}
	case "plan":
		s.last = Make(s.want, s.here, s.options(t, d))
		return written(s.last, s.here)
	case "take":
		s.here = taken(s.last, s.here)
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	return ""
}

func (s *script) options(t *testing.T, d *datadriven.TestData) Options {
	o := Options{Nodes: map[string]string{}, SameSecret: map[string]bool{}}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "update":
			o.Update = true
		case "running":
			o.Running = &s.from
		case "without":
			o.Without = a.Vals
		case "same", "other":
			o.SameSecret[a.Vals[0]] = a.Key == "same"
		case "node":
			o.Nodes[a.Vals[0]] = a.Vals[1]
		default:
			t.Fatalf("unknown option %s", a.Key)
		}
	}
	return o
}

// read reads YAML as the JSON it stands for.
func read(t *testing.T, text string, into any) {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal([]byte(text), &v))
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, into))
}

// wantedLines is a line for each object that is wanted.
func wantedLines(t *testing.T, w *Wanted) string {
	t.Helper()
	var out strings.Builder
	if text := short(t, w.Settings); text != "{}" {
		fmt.Fprintf(&out, "settings %s\n", text)
	}
	for _, n := range w.Nodes {
		fmt.Fprintf(&out, "node %s\n", short(t, n))
	}
	for _, n := range w.Networks {
		fmt.Fprintf(&out, "network %s\n", short(t, n))
	}
	for _, c := range w.Configs {
		fmt.Fprintf(&out, "config %s\n", short(t, c))
	}
	for _, s := range w.Secrets {
		fmt.Fprintf(&out, "secret %s\n", short(t, s))
	}
	for _, s := range w.Services {
		fmt.Fprintf(&out, "service %s\n", short(t, s))
	}
	return out.String()
}

// short is JSON without what is empty.
func short(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	var m any
	require.NoError(t, json.Unmarshal(raw, &m))
	raw, err = json.Marshal(pruned(m))
	require.NoError(t, err)
	return string(raw)
}

func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			if below = pruned(below); below == nil || below == "" || below == false {
				delete(v, k)
			} else {
				v[k] = below
			}
		}
		if len(v) == 0 {
			return map[string]any{}
		}
		for k, below := range v {
			if m, ok := below.(map[string]any); ok && len(m) == 0 && k != "Global" && k != "GlobalJob" {
				delete(v, k)
			}
		}
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
	}
	return v
}

func sentences(found []Finding) string {
	var out strings.Builder
	for _, f := range found {
		fmt.Fprintf(&out, "%s: %s\n", [...]string{"lost", "other", "yours", "exists"}[f.Severity], f)
	}
	return out.String()
}

func written(p *Plan, here Swarm) string {
	var out strings.Builder
	for _, f := range p.Problems {
		fmt.Fprintf(&out, "problem: %s\n", f)
	}
	out.WriteString(sentences(p.Found))
	if p.Settings != nil {
		fmt.Fprintf(&out, "~ settings %s\n", inJSON(*p.Settings))
	}
	for _, n := range p.Nodes {
		fmt.Fprintf(&out, "~ node %s %v %s\n", n.Description.Hostname, n.Spec.Labels, n.Spec.Availability)
	}
	for _, c := range p.Writes.Changes(plan.Current{Services: here.Services, Networks: here.Networks, Secrets: here.Secrets, Configs: here.Configs}) {
		fmt.Fprintf(&out, "%s %s %s", c.Action, c.Kind, c.Name)
		for _, f := range c.Fields {
			fmt.Fprintf(&out, "; %s: %s → %s", f.Path, f.Old, f.New)
		}
		out.WriteString("\n")
	}
	if p.Empty() && len(p.Problems) == 0 {
		fmt.Fprintf(&out, "nothing to write, %d the same\n", p.Same)
	}
	return out.String()
}
