package translate

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/privilege"
)

// TestContainer translates scripts of tasks: the spec is Docker's JSON, the result what the engine is asked for, without
// fields that are empty.
func TestContainer(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			in := input(t, d)
			before, err := json.Marshal(in.Task.Spec)
			if err != nil {
				t.Fatal(err)
			}
			out, err := Container(in)
			if after, _ := json.Marshal(in.Task.Spec); string(after) != string(before) {
				t.Errorf("%s: the spec was changed:\n%s\n%s", d.Pos, before, after)
			}
			if err != nil {
				return "error: " + err.Error()
			}
			b := new(strings.Builder)
			show(b, "config", out.Create.Config)
			show(b, "host", out.Create.HostConfig)
			show(b, "networks", out.Create.NetworkingConfig)
			for _, c := range out.Connect {
				show(b, "then connect to "+c.Network, c.Settings)
			}
			return b.String()
		})
	})
}

// input is a task of service web; arguments: api=, slot=, socket (rewrites Docker's), selinux, and the lines
// "networks: JSON", "ports: JSON", "generic: JSON", "files: JSON", "labels: JSON" (of the service, for what they ask for) before the spec's JSON.
func input(t *testing.T, d *datadriven.TestData) Input {
	id := model.NumID
	task := &executor.Task{ID: id(1), ServiceID: id(2), NodeID: id(3), Slot: 1, ServiceName: "web", NodeHostname: "host-a", ServiceLabels: map[string]string{"tier": "front"}, Spec: &swarm.TaskSpec{}}
	in := Input{Task: task, API: "1.41", Platform: swarm.Platform{OS: "linux", Architecture: "x86_64"}}
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "api":
			in.API = arg.Vals[0]
		case "slot":
			arg.Scan(t, 0, &task.Slot)
		case "selinux":
			in.SELinux = true
		case "socket":
			in.Source = func(s string) string { return strings.Replace(s, "/var/run/docker.sock", "/run/skep/skep.sock", 1) }
		default:
			d.Fatalf(t, "unknown argument %s", arg.Key)
		}
	}
	for line := range strings.Lines(d.Input) {
		key, value, _ := strings.Cut(line, ": ")
		if key == "labels" {
			var labels map[string]string
			err := json.Unmarshal([]byte(value), &labels)
			if err == nil {
				task.Beyond, err = privilege.Parse(labels)
			}
			if err != nil {
				d.Fatalf(t, "%s: %v", line, err)
			}
			continue
		}
		target := map[string]any{"networks": &task.Networks, "ports": &task.Ports, "generic": &task.Generic, "files": &in.Files, "task": task.Spec, "logdriver": &task.LogDriver, "container": &task.Spec.ContainerSpec}[key]
		if target == nil {
			d.Fatalf(t, "unknown line %q", line)
		}
		if err := json.Unmarshal([]byte(value), target); err != nil {
			d.Fatalf(t, "%s: %v", line, err)
		}
	}
	if task.Spec.ContainerSpec != nil {
		task.Image = task.Spec.ContainerSpec.Image
	}
	return in
}

// show prints a value's fields that say anything.
func show(b *strings.Builder, title string, v any) {
	if reflect.ValueOf(v).IsNil() {
		return
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var fields any
	if err := json.Unmarshal(raw, &fields); err != nil {
		panic(err)
	}
	fields = prune(fields)
	if fields == nil {
		fields = map[string]any{}
	}
	pretty, err := json.MarshalIndent(fields, "", " ")
	if err != nil {
		panic(err)
	}
	_, _ = fmt.Fprintf(b, "%s %s\n", title, pretty)
}

// prune drops what is zero; a label with an empty value stays.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if labels, ok := e.(map[string]any); ok && k == "Labels" && len(labels) > 0 {
				delete(labels, executor.LabelNodeID)
				delete(labels, executor.LabelServiceID)
				delete(labels, executor.LabelTaskID)
				continue
			}
			if k == "ExposedPorts" || k == "StopTimeout" && e != nil {
				continue // here emptiness says something
			}
			if e = prune(e); e == nil {
				delete(v, k)
			} else {
				v[k] = e
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		all := true
		for _, e := range v {
			if f, ok := e.(float64); !ok || f != 0 {
				all = false
			}
		}
		if all {
			return nil
		}
	case string, float64, bool:
		if reflect.ValueOf(v).IsZero() {
			return nil
		}
	}
	return v
}

// TestIDLabels: the ids' labels are left out of the scripts, so they are checked here.
func TestIDLabels(t *testing.T) {
	task := &executor.Task{ID: model.NumID(1), ServiceID: model.NumID(2), NodeID: model.NumID(3), ServiceName: "web", Slot: 4}
	got := labels(task, map[string]string{executor.LabelTaskID: "forged", "mine": "kept"})
	want := map[string]string{
		executor.LabelTask: "", executor.LabelTaskID: task.ID.String(), executor.LabelTaskName: "web.4." + task.ID.String(),
		executor.LabelNodeID: task.NodeID.String(), executor.LabelServiceID: task.ServiceID.String(), executor.LabelServiceName: "web",
		"mine": "kept",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("labels %v, want %v", got, want)
	}
}
