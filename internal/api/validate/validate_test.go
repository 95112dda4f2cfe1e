package validate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"pgregory.net/rapid"
)

// TestDataDriven checks one spec a line: what Fill, Service and Unsupported say, in this order, or the
// filled spec.
func TestDataDriven(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				out.WriteString(answer(t, d.Cmd, strings.TrimSpace(line)) + "\n")
			}
			return out.String()
		})
	})
}

func answer(t *testing.T, cmd, line string) string {
	text := line
	switch cmd {
	case "name":
		return fmt.Sprint(Name(line))
	case "file-name":
		return fmt.Sprint(FileName(line))
	case "container":
		text = `{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a:1",` + line + `}}}`
	case "task":
		text = `{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a:1"},` + line + `}}`
	case "service":
		text = `{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a:1"}},` + line + `}`
	case "spec":
	default:
		t.Fatalf("unknown command %s", cmd)
	}
	var spec swarm.ServiceSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for _, check := range []func(*swarm.ServiceSpec) error{Fill, Service, Unsupported} {
		if err := check(&spec); err != nil {
			return fmt.Sprintf("%d %s", httperr.Status(err), err)
		}
	}
	filled, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append([]string{string(filled)}, Warnings(&spec)...), "\n  warning: ")
}

// TestFillTwice is the property that filling a filled spec changes nothing: an update posts back what
// inspect showed.
func TestFillTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := swarm.ServiceSpec{}
		spec.Name = rapid.SampledFrom([]string{"web", "", "a b"}).Draw(t, "name")
		spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "a"}
		spec.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{
			TargetPort:  rapid.Uint32().Draw(t, "port"),
			PublishMode: rapid.SampledFrom([]swarm.PortConfigPublishMode{"", "host", "ingress", "x"}).Draw(t, "publish")}}}
		if rapid.Bool().Draw(t, "update") {
			spec.UpdateConfig = &swarm.UpdateConfig{Order: rapid.SampledFrom([]swarm.UpdateOrder{"", "start-first"}).Draw(t, "order")}
		}
		if err := Fill(&spec); err != nil {
			t.Fatal(err)
		}
		once, _ := json.Marshal(spec)
		if err := Fill(&spec); err != nil {
			t.Fatal(err)
		}
		if twice, _ := json.Marshal(spec); string(twice) != string(once) {
			t.Fatalf("%s became %s", once, twice)
		}
	})
}
