package constraint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"pgregory.net/rapid"
)

// TestDataDriven holds expressions against one node. Commands: parse (one expression a line), node (key=value
// arguments describe it, labels as label.NAME and engine.NAME), match (one expression a line, against that node).
func TestDataDriven(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var node Node
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "parse":
				return eachLine(d.Input, func(expr string) string {
					cs, err := Parse([]string{expr})
					if err != nil {
						return err.Error()
					}
					if !cs[0].Known() {
						return cs[0].String() + " (no node has this key)"
					}
					return cs[0].String()
				})
			case "node":
				node = nodeOf(t, d)
				return ""
			case "match":
				return eachLine(d.Input, func(expr string) string {
					cs, err := Parse([]string{expr})
					if err != nil {
						return err.Error()
					}
					return fmt.Sprint(Match(cs, node))
				})
			}
			return "unknown command " + d.Cmd
		})
	})
}

func eachLine(input string, f func(string) string) string {
	var out strings.Builder
	for line := range strings.Lines(input) {
		line = strings.TrimSuffix(line, "\n")
		fmt.Fprintf(&out, "%s: %s\n", line, f(line))
	}
	return out.String()
}

func nodeOf(t *testing.T, d *datadriven.TestData) Node {
	spec := swarm.NodeSpec{}
	desc := swarm.NodeDescription{}
	state := &model.NodeState{}
	role := model.RoleWorker
	id := model.NumID(1)
	for _, arg := range d.CmdArgs {
		v := arg.Vals[0]
		switch label, isLabel := strings.CutPrefix(arg.Key, "label."); {
		case isLabel:
			if spec.Labels == nil {
				spec.Labels = map[string]string{}
			}
			spec.Labels[label] = v
		case strings.HasPrefix(arg.Key, "engine."):
			if desc.Engine.Labels == nil {
				desc.Engine.Labels = map[string]string{}
			}
			desc.Engine.Labels[strings.TrimPrefix(arg.Key, "engine.")] = v
		case arg.Key == "hostname":
			desc.Hostname = v
		case arg.Key == "role" && v == "manager":
			role = model.RoleManager
		case arg.Key == "role":
		case arg.Key == "addr":
			state.Addr = v
		case arg.Key == "os":
			desc.Platform.OS = v
		case arg.Key == "arch":
			desc.Platform.Architecture = v
		case arg.Key == "unheard":
			return NodeOf(&model.NodeSpec{ID: id, Spec: model.DocOf(spec)}, nil, role)
		default:
			t.Fatalf("unknown attribute %s", arg.Key)
		}
	}
	state.Description = model.DocOf(desc)
	return NodeOf(&model.NodeSpec{ID: id, Spec: model.DocOf(spec)}, state, role)
}

// TestOppositeOperatorsNeverAgree: for a key nodes have, == and != of the same well-formed value are opposites.
func TestOppositeOperatorsNeverAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"a", "A", "ssd", "linux", "manager", "worker", "10.0.0.1", "10.0.0.0/8", "fd00::1"})
		node := Node{
			ID: model.NumID(7), Hostname: word.Draw(t, "hostname"), Addr: word.Draw(t, "addr"), OS: word.Draw(t, "os"),
			Labels: map[string]string{"disk": word.Draw(t, "label")},
		}
		key := rapid.SampledFrom([]string{"node.id", "NODE.hostname", "node.role", "node.platform.os", "node.labels.disk", "engine.labels.x"}).Draw(t, "key")
		value := word.Draw(t, "value")
		cs, err := Parse([]string{key + "==" + value, key + " != " + value})
		if err != nil {
			t.Fatal(err)
		}
		if Match(cs[:1], node) == Match(cs[1:], node) {
			t.Fatalf("%s and %s agree on %+v", cs[0], cs[1], node)
		}
		if Match(cs, node) {
			t.Fatalf("%+v satisfies both %s and %s", node, cs[0], cs[1])
		}
	})
}
