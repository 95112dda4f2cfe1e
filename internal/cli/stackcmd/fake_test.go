package stackcmd

import (
	"archive/tar"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/validate"
	"github.com/skep-org/skep/internal/api/versions"

	"github.com/skep-org/skep/internal/cli/local/localtest"
)

// object is something a cluster has, as JSON.
type object = map[string]any

// fake is a cluster that keeps what it is given, and has tasks do what a test says.
type fake struct {
	host string

	mu       sync.Mutex
	kinds    map[string][]object // services, networks, secrets, configs
	asked    []string            // the writes, as METHOD PATH NAME
	bodies   []object
	fail     map[string]string // what is refused: METHOD PATH NAME → why
	refused  map[string]int    // how often
	tasks    []swarm.Task
	work     func(*fake) // what the cluster does before it lists services
	policy   []api.PolicyRule
	digests  map[string]string // of images
	foresee  string            // what it answers to a request for a forecast
	version  string            // of its API
	registry string            // where it serves a registry
	images   int               // how many were built
	headers  []string          // X-Registry-Auth of writes of services
	index    int
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{kinds: map[string][]object{}, fail: map[string]string{}, refused: map[string]int{}, digests: map[string]string{}, version: "1.48"}
	f.host = localtest.Serve(t, f)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := localtest.Path(r.URL.Path)
	parts := strings.Split(strings.Trim(path, "/"), "/")
	w.Header().Set("Api-Version", f.version)
	w.Header().Set("Ostype", "linux")
	switch {
	case path == "/_ping":
	case path == "/version":
		localtest.Answer(w, object{"Os": "linux", "Arch": "amd64"})
	case path == "/info":
		localtest.Answer(w, object{"Swarm": object{"LocalNodeState": "active", "ControlAvailable": true, "NodeID": "n1"}, "OSType": "linux"})
	case path == "/skep/policy":
		localtest.Answer(w, f.policy)
	case path == "/skep/forecast":
		f.forecast(w, r)
	case path == "/nodes":
		localtest.Answer(w, []object{{"ID": "n1", "Description": object{"Hostname": "m1"}}})
	case path == "/tasks":
		localtest.Answer(w, f.listTasks(r))
	case path == "/skep/registry" && f.registry == "":
		localtest.Refuse(w, http.StatusServiceUnavailable, "this node serves no registry")
	case path == "/skep/registry":
		localtest.Answer(w, api.RegistryPlace{Registry: f.registry})
	case path == "/skep/images":
		localtest.Answer(w, f.registered())
	case path == "/skep/images/remove":
		if f.note(w, "remove", "image", r.URL.Query().Get("name"), nil) {
			delete(f.digests, f.registry+"/"+r.URL.Query().Get("name"))
		}
	case path == "/build":
		f.build(w, r)
	case strings.HasPrefix(path, "/images/"):
		f.push(w, r, strings.TrimSuffix(strings.TrimPrefix(path, "/images/"), "/push")+":"+r.URL.Query().Get("tag"))
	case strings.HasPrefix(path, "/distribution/"):
		f.distribution(w, strings.TrimSuffix(strings.TrimPrefix(path, "/distribution/"), "/json"))
	case r.Method == http.MethodGet && len(parts) == 1:
		if path == "/services" && f.work != nil {
			f.work(f)
		}
		localtest.Answer(w, f.list(parts[0], r))
	case r.Method == http.MethodGet:
		if o := f.find(parts[0], parts[1]); o != nil {
			localtest.Answer(w, o)
			return
		}
		localtest.Refuse(w, http.StatusNotFound, parts[0]+" "+parts[1]+" not found")
	case r.Method == http.MethodDelete:
		f.remove(w, parts[0], parts[1])
	default:
		f.write(w, r, parts)
	}
}

func (f *fake) distribution(w http.ResponseWriter, image string) {
	if d := f.digests[image]; d != "" {
		localtest.Answer(w, object{"Descriptor": object{"digest": d}, "Platforms": []object{{"os": "linux", "architecture": "amd64"}}})
		return
	}
	localtest.Refuse(w, http.StatusForbidden, "no registry of "+image)
}

// build shows what of, and how, an image is built. A line "exit" in the Dockerfile has it fail.
func (f *fake) build(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	line := "build"
	for _, key := range slices.Sorted(maps.Keys(q)) {
		if key != "version" {
			line += " " + key + "=" + strings.Join(q[key], ",")
		}
	}
	if config, _ := base64.URLEncoding.DecodeString(r.Header.Get("X-Registry-Config")); len(config) > 4 {
		line += " auth=" + string(config)
	}
	f.asked, f.bodies = append(f.asked, line), append(f.bodies, nil)
	dockerfile := ""
	for in := tar.NewReader(r.Body); ; {
		h, err := in.Next()
		if err != nil {
			break
		}
		content, _ := io.ReadAll(in)
		f.asked, f.bodies = append(f.asked, fmt.Sprintf("  %s %q", h.Name, content)), append(f.bodies, nil)
		if h.Name == q.Get("dockerfile") {
			dockerfile = string(content)
		}
	}
	for line := range strings.Lines(dockerfile) {
		localtest.Answer(w, object{"stream": "Step: " + line})
		if strings.TrimSpace(line) == "exit" {
			localtest.Answer(w, object{"error": "the command 'exit' returned a non-zero code: 1"})
			return
		}
	}
	f.images++
}

// registered are the images of the cluster's registry.
func (f *fake) registered() api.ImageList {
	out := api.ImageList{Registry: f.registry}
	for _, name := range slices.Sorted(maps.Keys(f.digests)) {
		if rest, ok := strings.CutPrefix(name, f.registry+"/"); ok {
			repository, tag, _ := strings.Cut(rest, ":")
			out.Images = append(out.Images, api.Image{Repository: repository, Tag: tag})
		}
	}
	return out
}

// push has the registry know the image from then on.
func (f *fake) push(w http.ResponseWriter, r *http.Request, name string) {
	if !f.note(w, r.Method, "push", name, nil) {
		return
	}
	f.digests[name] = fmt.Sprintf("sha256:%064d", f.images)
	localtest.Answer(w, object{"id": "layer", "status": "Pushed"})
}

// forecast shows which writes are to be foreseen.
func (f *fake) forecast(w http.ResponseWriter, r *http.Request) {
	if f.foresee == "" {
		localtest.Refuse(w, http.StatusNotFound, "page not found")
		return
	}
	var asked api.ForecastRequest
	_ = json.NewDecoder(r.Body).Decode(&asked)
	for _, one := range asked.Writes {
		body := object{}
		_ = json.Unmarshal(one.Body, &body)
		path, _, _ := strings.Cut(localtest.Path(one.Path), "?")
		line := "foresee " + one.Method + " " + path
		if name, _ := body["Name"].(string); name != "" {
			line += " " + name
		}
		if data, _ := body["Data"].(string); data != "" {
			line += " with " + data
		}
		f.asked = append(f.asked, line)
		f.bodies = append(f.bodies, nil)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, f.foresee)
}

// note records a write; it says why it is refused, if it is.
func (f *fake) note(w http.ResponseWriter, method, path, name string, body object) bool {
	key := method + " " + path + " " + name
	if why := f.fail[key]; why != "" {
		f.refused[key]++
		localtest.Refuse(w, http.StatusInternalServerError, why)
		return false
	}
	f.asked = append(f.asked, key)
	f.bodies = append(f.bodies, body)
	return true
}

func (f *fake) write(w http.ResponseWriter, r *http.Request, parts []string) {
	raw, _ := io.ReadAll(r.Body)
	if v, ok := versions.Parse(f.version); ok && parts[0] == "services" {
		raw = versions.Strip(v, versions.ServiceSpec, raw)
	}
	body := object{}
	_ = json.Unmarshal(raw, &body)
	name, _ := body["Name"].(string)
	kind := parts[0]
	if kind == "services" {
		f.headers = append(f.headers, r.Header.Get("X-Registry-Auth"))
	}
	if parts[1] == "create" {
		if !f.note(w, "create", kind, name, body) {
			return
		}
		id := "id-" + digits.ReplaceAllString(name, "")
		if f.find(kind, id) != nil {
			id += fmt.Sprint(len(f.kinds[kind]))
		}
		f.index++
		o := object{"ID": id, "Id": id, "Name": name, "Labels": body["Labels"], "Driver": body["Driver"], "Scope": "swarm",
			"Spec": f.kept(kind, body), "Version": object{"Index": f.index}, "CreatedAt": time.Unix(1000, 0), "UpdatedAt": time.Unix(1000, 0)}
		f.kinds[kind] = append(f.kinds[kind], o)
		w.WriteHeader(http.StatusCreated)
		localtest.Answer(w, object{"ID": id, "Id": id})
		return
	}
	o := f.find(kind, parts[1])
	if o == nil {
		localtest.Refuse(w, http.StatusNotFound, parts[1]+" not found")
		return
	}
	old := o["Spec"].(object)
	if data, has := body["Data"]; has && kind != "services" && data != old["Data"] {
		localtest.Refuse(w, http.StatusBadRequest, "only updates to Labels are allowed")
		return
	}
	if kind != "services" {
		body["Data"] = old["Data"]
	}
	if r.URL.Query().Get("version") != fmt.Sprint(o["Version"].(object)["Index"]) {
		localtest.Refuse(w, http.StatusInternalServerError, "rpc error: code = Unknown desc = update out of sequence")
		return
	}
	if !f.note(w, "update", kind, name, body) {
		return
	}
	f.index++
	delete(o, "UpdateStatus") // until the cluster has taken the update up
	o["PreviousSpec"], o["Spec"], o["Version"] = old, f.kept(kind, body), object{"Index": f.index}
	localtest.Answer(w, object{})
}

// kept is a spec as the cluster keeps it: of a service with swarm's own values where there are none, and networks by id.
func (f *fake) kept(kind string, body object) object {
	if kind != "services" {
		return body
	}
	spec := decoded[swarm.ServiceSpec](body)
	if err := validate.Fill(&spec); err != nil {
		panic(err)
	}
	for i := range spec.TaskTemplate.Networks {
		n := &spec.TaskTemplate.Networks[i]
		if there := f.find("networks", n.Target); there != nil {
			n.Target = there["ID"].(string)
		}
	}
	return decoded[object](spec)
}

var digits = regexp.MustCompile(`-[0-9a-f]{10}$`)

func (f *fake) remove(w http.ResponseWriter, kind, id string) {
	o := f.find(kind, id)
	name := nameOf(o)
	if !f.note(w, "remove", kind, name, nil) {
		return
	}
	var kept []object
	for _, one := range f.kinds[kind] {
		if nameOf(one) != name {
			kept = append(kept, one)
		}
	}
	f.kinds[kind] = kept
	w.WriteHeader(http.StatusNoContent)
}

func nameOf(o object) string {
	if spec, ok := o["Spec"].(object); ok {
		if name, ok := spec["Name"].(string); ok {
			return name
		}
	}
	name, _ := o["Name"].(string)
	return name
}

func (f *fake) find(kind, id string) object {
	for _, o := range f.kinds[kind] {
		if o["ID"] == id || nameOf(o) == id {
			return o
		}
	}
	return nil
}

func (f *fake) list(kind string, r *http.Request) []object {
	filters := map[string]map[string]bool{}
	_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
	out := []object{}
	for _, o := range f.kinds[kind] {
		labels, _ := o["Spec"].(object)["Labels"].(object)
		keep := true
		for label := range filters["label"] {
			k, v, valued := strings.Cut(label, "=")
			got, has := labels[k]
			keep = keep && has && (!valued || got == v)
		}
		if names := filters["name"]; len(names) > 0 {
			keep = keep && names[nameOf(o)]
		}
		if keep {
			out = append(out, f.shown(kind, o))
		}
	}
	return out
}

// shown hides what a secret is.
func (f *fake) shown(kind string, o object) object {
	if kind != "secrets" {
		return o
	}
	copied, spec := object{}, object{}
	for k, v := range o {
		copied[k] = v
	}
	for k, v := range o["Spec"].(object) {
		if k != "Data" {
			spec[k] = v
		}
	}
	copied["Spec"] = spec
	return copied
}

func (f *fake) listTasks(*http.Request) []swarm.Task {
	if f.tasks == nil {
		return []swarm.Task{}
	}
	return f.tasks
}

// decoded reads an object as what it is.
func decoded[T any](v any) T {
	var out T
	raw, _ := json.Marshal(v)
	_ = json.Unmarshal(raw, &out)
	return out
}
