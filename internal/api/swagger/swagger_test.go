package swagger

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T) *Document {
	t.Helper()
	d, err := Load(t.Context(), "1.41")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOperation(t *testing.T) {
	d := load(t)
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/services/web", "GET /services/{id}"},
		{"POST", "/services/create", "POST /services/create"},
		{"POST", "/services/create/update", "POST /services/{id}/update"},
		{"GET", "/services/", ""},
		{"PUT", "/services/web", ""},
	} {
		o, ok := d.Operation(c.method, c.path)
		if ok != (c.want != "") || ok && o.Key() != c.want {
			t.Errorf("%s %s is %q, want %q", c.method, c.path, o.Key(), c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	d := load(t)
	for _, c := range []struct {
		name, path, answer string
		wrong              []string
	}{
		{"fits", "/services", `[{"ID":"x","Version":{"Index":7},"Spec":{"Name":"web","Labels":{"a":"b"}}}]`, nil},
		{"a member too many", "/services", `[{"Colour":"red"}]`, []string{"/services.Colour is not in the definition"}},
		{"another type", "/services", `[{"ID":5,"Spec":[]}]`, []string{"/services.ID is a number, not string", "/services.Spec is a list, not object"}},
		{"values of a map", "/services", `[{"Spec":{"Labels":{"a":1}}}]`, []string{"/services.Spec.Labels.* is a number, not string"}},
		{"a definition made of others", "/swarm", `{"ID":"x","JoinTokens":{"Worker":true}}`, []string{"/swarm.JoinTokens.Worker is a boolean, not string"}},
		{"no value fits", "/services", `[{"Spec":null}]`, nil},
	} {
		var value any
		if err := json.Unmarshal([]byte(c.answer), &value); err != nil {
			t.Fatal(err)
		}
		o, _ := d.Operation("GET", c.path)
		if got := o.Check(200, value); !slices.Equal(got, c.wrong) {
			t.Errorf("%s: %q, want %q", c.name, got, c.wrong)
		}
	}
}

func TestElements(t *testing.T) {
	d := load(t)
	all := map[string]bool{}
	operations := d.Operations("services", "tasks", "nodes")
	for _, o := range operations {
		for _, e := range o.Elements() {
			all[e] = true
		}
	}
	for _, want := range []string{
		"GET /services filter mode", "GET /services query status", "GET /services answer Spec.TaskTemplate.ContainerSpec.Mounts.BindOptions.Propagation",
		"POST /services/create body Mode.ReplicatedJob.TotalCompletions", "POST /services/create header X-Registry-Auth", "POST /services/create status 409",
		"GET /nodes filter node.label", "GET /nodes answer Description.Engine.Labels", "GET /tasks filter desired-state",
	} {
		if !all[want] {
			t.Errorf("%s is not among the elements", want)
		}
	}
	if len(operations) != 13 {
		t.Errorf("%d operations", len(operations))
	}
}

func TestTouched(t *testing.T) {
	o, _ := load(t).Operation("GET", "/nodes")
	got := o.Touched(url.Values{"filters": {`{"role":["manager"]}`}}, nil, "", 200, `[{"ID":"x","Spec":{"Name":null,"Labels":{}}}]`)
	want := "GET /nodes answer ID, GET /nodes answer Spec, GET /nodes answer Spec.Labels, GET /nodes filter role, GET /nodes status 200"
	if strings.Join(got, ", ") != want {
		t.Errorf("touched %s", strings.Join(got, ", "))
	}
	for _, e := range got {
		if !slices.Contains(o.Elements(), e) {
			t.Errorf("%s is touched and no element", e)
		}
	}
}
