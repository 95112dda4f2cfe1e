package migratecmd

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/cli/local/localtest"
	"github.com/skep-org/skep/internal/migrate"
)

// fake is a cluster that takes what it is given and keeps it.
type fake struct {
	host string

	mu      sync.Mutex
	has     migrate.Swarm
	writes  []string          // METHOD PATH NAME
	fail    map[string]string // what is refused once: METHOD PATH NAME → why
	refused string            // what the forecast says that it would be
	data    map[string]string // contents of secrets
	worker  bool
}

func newFake(t *testing.T, id string) *fake {
	t.Helper()
	f := &fake{fail: map[string]string{}, data: map[string]string{}}
	f.has.Cluster.ID = id
	f.host = localtest.Serve(t, f)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := localtest.Path(r.URL.Path)
	w.Header().Set("Api-Version", "1.48")
	w.Header().Set("Ostype", "linux")
	lists := map[string]any{"/services": f.has.Services, "/networks": f.has.Networks, "/secrets": f.has.Secrets, "/configs": f.has.Configs,
		"/nodes": f.has.Nodes, "/tasks": f.has.Tasks, "/swarm": swarm.Swarm{ClusterInfo: f.has.Cluster}}
	switch {
	case path == "/_ping":
	case path == "/info":
		localtest.Answer(w, map[string]any{"Swarm": map[string]any{"LocalNodeState": "active", "ControlAvailable": !f.worker}})
	case path == "/skep/forecast":
		f.forecast(w)
	case r.Method == http.MethodGet && lists[path] != nil:
		localtest.Answer(w, lists[path])
	case r.Method == http.MethodGet:
		localtest.Refuse(w, http.StatusNotFound, path+" not found")
	default:
		f.write(w, r, path)
	}
}

func (f *fake) forecast(w http.ResponseWriter) {
	if f.refused != "" {
		localtest.Answer(w, map[string]any{"Refused": map[string]any{"Write": 0, "Message": f.refused}})
		return
	}
	localtest.Answer(w, map[string]any{"Services": []map[string]any{{"Name": "web", "Tasks": []map[string]any{{"Slot": 1, "Pending": "no suitable node"}, {"Slot": 2, "To": "m1"}}}}})
}

func (f *fake) write(w http.ResponseWriter, r *http.Request, path string) {
	raw, _ := io.ReadAll(r.Body)
	var named struct {
		Name string
		Data []byte
	}
	_ = json.Unmarshal(raw, &named)
	if strings.HasPrefix(path, "/secrets/") && strings.HasSuffix(path, "/update") {
		f.compare(w, strings.Split(path, "/")[2], string(named.Data))
		return
	}
	key := strings.TrimSpace(r.Method + " " + path + " " + named.Name)
	if why := f.fail[key]; why != "" {
		delete(f.fail, key)
		localtest.Refuse(w, http.StatusInternalServerError, why)
		return
	}
	f.writes = append(f.writes, key)
	id := "id-" + named.Name
	switch path {
	case "/networks/create":
		var n network.Network
		_ = json.Unmarshal(raw, &n)
		n.ID, n.Scope = id, "swarm"
		f.has.Networks = append(f.has.Networks, network.Summary{Network: n})
	case "/secrets/create":
		f.data[id] = string(named.Data)
		f.has.Secrets = append(f.has.Secrets, swarm.Secret{ID: id, Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: named.Name}}})
	case "/configs/create":
		c := swarm.Config{ID: id}
		_ = json.Unmarshal(raw, &c.Spec)
		f.has.Configs = append(f.has.Configs, c)
	case "/services/create":
		f.serve(id, raw)
	}
	w.WriteHeader(http.StatusCreated)
	localtest.Answer(w, map[string]any{"ID": id, "Id": id})
}

// serve keeps a service, whose tasks run at once.
func (f *fake) serve(id string, raw []byte) {
	s := swarm.Service{ID: id}
	_ = json.Unmarshal(raw, &s.Spec)
	for i := range s.Spec.TaskTemplate.Networks {
		s.Spec.TaskTemplate.Networks[i].Target = "id-" + s.Spec.TaskTemplate.Networks[i].Target
	}
	f.has.Services = append(f.has.Services, s)
	f.has.Tasks = append(f.has.Tasks, swarm.Task{ID: "t-" + id, ServiceID: id, Slot: 1, DesiredState: swarm.TaskStateRunning,
		Status: swarm.TaskStatus{State: swarm.TaskStateRunning}, Spec: s.Spec.TaskTemplate})
}

// compare refuses an update to another content for that, and another one for its version.
func (f *fake) compare(w http.ResponseWriter, id, data string) {
	if f.data[id] != data {
		localtest.Refuse(w, http.StatusBadRequest, "only updates to Labels are allowed")
		return
	}
	localtest.Refuse(w, http.StatusInternalServerError, "update out of sequence")
}

// wrote are the writes since the last look.
func (f *fake) wrote() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.Clone(f.writes)
	f.writes = nil
	return out
}
