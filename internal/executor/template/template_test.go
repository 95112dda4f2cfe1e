package template

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
)

func context() Context {
	c := Context{}
	c.Service.ID, c.Service.Name, c.Service.Labels = "service1", "web", map[string]string{"tier": "front"}
	c.Node.ID, c.Node.Hostname, c.Node.Platform = "node1", "host-a", Platform{Architecture: "x86_64", OS: "linux"}
	c.Task.ID, c.Task.Name, c.Task.Slot = "task1", "web.1.task1", "1"
	return c
}

// TestScripts expands container specs (command container), single strings (text) and payloads (payload) of a task with
// A=value in its environment, the secret "key" and the config "/plain". What Docker 20.10 says to the same is in
// the scenario templates of the differential tests.
func TestScripts(t *testing.T) {
	datadriven.RunTest(t, "testdata/templates.txt", func(t *testing.T, d *datadriven.TestData) string {
		c := context()
		switch d.Cmd {
		case "container":
			spec := &swarm.ContainerSpec{}
			if err := json.Unmarshal([]byte(d.Input), spec); err != nil {
				t.Fatal(err)
			}
			before, _ := json.Marshal(spec)
			out, err := Container(c, spec)
			if after, _ := json.Marshal(spec); string(before) != string(after) {
				t.Errorf("%s: the spec was changed: %s", d.Pos, after)
			}
			if err != nil {
				return "error: " + err.Error()
			}
			text, _ := json.Marshal(map[string]any{"Hostname": out.Hostname, "Env": out.Env, "Mounts": out.Mounts, "Labels": out.Labels, "Args": out.Args})
			return string(text)
		case "payload":
			driver := Golang
			d.MaybeScanArgs(t, "driver", &driver)
			spec := &swarm.ContainerSpec{Env: []string{"B", "A=value", "T={{.Task.Slot}}"},
				Secrets: []*swarm.SecretReference{nil, {SecretID: "s", File: &swarm.SecretReferenceFileTarget{Name: "key"}}},
				Configs: []*swarm.ConfigReference{{ConfigID: "r", Runtime: &swarm.ConfigReferenceRuntimeTarget{}}, {ConfigID: "c", File: &swarm.ConfigReferenceFileTarget{Name: "/plain"}}}}
			out, err := NewPayloadContext(c, spec, map[string][]byte{"s": []byte("hush {{.Task.ID}}")}, map[string][]byte{"c": []byte("setting")}).Payload(driver, []byte(d.Input))
			if err != nil {
				return "error: " + err.Error()
			}
			return string(out)
		}
		d.Fatalf(t, "unknown command")
		return ""
	})
}

// TestNames: the context's fields are Docker's, all of them.
func TestNames(t *testing.T) {
	c := context()
	var all []string
	for _, f := range []string{".Service.ID", ".Service.Name", ".Service.Labels.tier", ".Node.ID", ".Node.Hostname", ".Node.Platform.OS", ".Node.Platform.Architecture", ".Task.ID", ".Task.Name", ".Task.Slot"} {
		s, err := c.Expand("{{" + f + "}}")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	want := strings.Fields("service1 web front node1 host-a linux x86_64 task1 web.1.task1 1")
	if !reflect.DeepEqual(all, want) {
		t.Errorf("%v, want %v", all, want)
	}
}
