package api

import (
	"strings"
	"testing"
)

// TestTwoCreatesWantOnePort: of two requests that both found a port free the later one is told who has it.
func TestTwoCreatesWantOnePort(t *testing.T) {
	w := newWorld(t)
	w.request("POST /swarm/init\n{\"ListenAddr\":\"0.0.0.0:2377\"}")
	spec := func(name, published string) string {
		return `{"Name":"` + name + `","TaskTemplate":{"ContainerSpec":{"Image":"a:1"}},"EndpointSpec":{"Ports":[{"TargetPort":80,"PublishedPort":` + published + `}]}}`
	}
	between := func(name, published string) {
		m := w.cluster.manager
		m.before = func() { // between the request's look and its write
			m.before = nil
			m.mu.Unlock()
			defer m.mu.Lock()
			if answer := w.request("POST /services/create\n" + spec(name, published)); !strings.HasPrefix(answer, "201") {
				t.Errorf("the first: %s", answer)
			}
		}
	}
	between("first", "8080")
	answer := w.request("POST /services/create\n" + spec("second", "8080"))
	if !strings.HasPrefix(answer, "400 ") || !strings.Contains(answer, "port '8080' is already in use by service 'first'") {
		t.Errorf("the second of two creates: %s", answer)
	}
	w.request("POST /services/create\n" + spec("third", "8081"))
	between("fourth", "8082")
	answer = w.request("POST /services/third/update?version=4\n" + spec("third", "8082"))
	if !strings.Contains(answer, "port '8082' is already in use by service 'fourth'") {
		t.Errorf("an update after a create: %s", answer)
	}
	if m := w.cluster.manager; m.before != nil {
		t.Error("nothing was written")
	}
}
