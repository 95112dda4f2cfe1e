package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"go.yaml.in/yaml/v2"
)

// TestContract holds our answers against the published definitions of several versions: every member of an
// answer is one the definition has, with the type it says.
func TestContract(t *testing.T) {
	w := newWorld(t)
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	w.request("POST /networks/create\n" + `{"Name":"back","Driver":"overlay","Labels":{"a":"b"},"IPAM":{"Config":[{"Subnet":"10.7.0.0/24"}]}}`)
	w.request("POST /secrets/create\n" + `{"Name":"s","Data":"YQ=="}`)
	w.request("POST /configs/create\n" + `{"Name":"c","Data":"YQ=="}`)
	if got := w.request("POST /services/create\n" + fullService); !strings.HasPrefix(got, "201") {
		t.Fatal(got)
	}
	w.rows(&datadriven.TestData{CmdArgs: []datadriven.CmdArg{{Key: "service", Vals: []string{"web"}}, {Key: "rollout", Vals: []string{"completed"}}}})
	w.rows(&datadriven.TestData{CmdArgs: []datadriven.CmdArg{{Key: "service", Vals: []string{"web"}}, {Key: "task"}}})
	w.engine["GET /networks"] = "200 []"

	for _, version := range []string{"1.37", "1.41", "1.46", "1.56"} {
		d := loadSwagger(t, version)
		for _, route := range []struct{ pattern, path string }{
			{"/swarm", "/swarm"}, {"/nodes", "/nodes"}, {"/nodes/{id}", "/nodes/one"}, {"/services", "/services?status=true"},
			{"/services/{id}", "/services/web?insertDefaults=true"}, {"/tasks", "/tasks"}, {"/secrets", "/secrets"}, {"/secrets/{id}", "/secrets/s"},
			{"/configs", "/configs"}, {"/configs/{id}", "/configs/c"}, {"/networks", "/networks"}, {"/networks/{id}", "/networks/back"},
		} {
			schema, ok := d.response(route.pattern, "get", "200")
			if !ok {
				continue // configs came later than secrets
			}
			answer := w.request("GET /v" + version + route.path)
			status, body, _ := strings.Cut(answer, " ")
			if status != fmt.Sprint(http.StatusOK) {
				t.Errorf("%s %s: %s", version, route.path, answer)
				continue
			}
			var value any
			if err := json.Unmarshal([]byte(body), &value); err != nil {
				t.Fatal(err)
			}
			c := checker{d: d}
			c.check(route.pattern, schema, value)
			c.report(t, version)
		}
	}
}

const fullService = `{"Name":"web","Labels":{"a":"b"},"TaskTemplate":{"ContainerSpec":{"Image":"a:1","Command":["x"],"Args":["y"],"Env":["A=1"],` +
	`"Hostname":"h","Dir":"/","User":"u","Groups":["g"],"TTY":true,"ReadOnly":true,"Init":true,"StopSignal":"SIGINT","StopGracePeriod":1000000000,` +
	`"Privileges":{"NoNewPrivileges":true,"Seccomp":{"Mode":"default"},"AppArmor":{"Mode":"disabled"},"SELinuxContext":{"Disable":true}},` +
	`"Mounts":[{"Type":"bind","Source":"/a","Target":"/b","BindOptions":{"Propagation":"rprivate","NonRecursive":true,"CreateMountpoint":true}},` +
	`{"Type":"volume","Source":"v","Target":"/c","VolumeOptions":{"NoCopy":true,"Subpath":"s","Labels":{"l":"1"},"DriverConfig":{"Name":"local"}}},` +
	`{"Type":"tmpfs","Target":"/d","TmpfsOptions":{"SizeBytes":1,"Mode":1,"Options":[["noexec"]]}}],` +
	`"Healthcheck":{"Test":["CMD","x"],"Interval":1000000,"Timeout":1000000,"Retries":1,"StartPeriod":1000000,"StartInterval":1000000},` +
	`"Hosts":["10.0.0.1 a"],"DNSConfig":{"Nameservers":["10.0.0.2"],"Search":["s"],"Options":["o"]},"Sysctls":{"a":"b"},"CapabilityAdd":["CAP_A"],` +
	`"CapabilityDrop":["CAP_B"],"Ulimits":[{"Name":"nofile","Soft":1,"Hard":2}],"OomScoreAdj":5},` +
	`"Resources":{"Limits":{"NanoCPUs":1000000,"MemoryBytes":4194304,"Pids":5},"Reservations":{"NanoCPUs":1000000,"MemoryBytes":4194304},"SwapBytes":1,"MemorySwappiness":1},` +
	`"RestartPolicy":{"Condition":"any","Delay":1,"MaxAttempts":1,"Window":1},"Placement":{"Constraints":["node.role==manager"],` +
	`"Preferences":[{"Spread":{"SpreadDescriptor":"node.labels.a"}}],"MaxReplicas":1,"Platforms":[{"OS":"linux","Architecture":"amd64"}]},` +
	`"Networks":[{"Target":"back","Aliases":["z"]}],"LogDriver":{"Name":"json-file","Options":{"a":"b"}},"ForceUpdate":1},` +
	`"Mode":{"Replicated":{"Replicas":2}},"UpdateConfig":{"Parallelism":1,"Delay":1,"FailureAction":"pause","Monitor":1,"MaxFailureRatio":0.5,"Order":"stop-first"},` +
	`"RollbackConfig":{"Parallelism":1,"Order":"start-first"},"EndpointSpec":{"Mode":"vip","Ports":[{"TargetPort":80,"PublishedPort":81,"PublishMode":"host"}]}}`

// swagger is one version's published description.
type swagger struct {
	definitions, paths map[string]any
}

func loadSwagger(t *testing.T, version string) swagger {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/moby/moby/api").Output()
	if err != nil {
		t.Fatalf("find the API module: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "docs", "v"+version+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var d map[any]any
	if err := yaml.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return swagger{member(d, "definitions"), member(d, "paths")}
}

// member is a mapping inside of a mapping, with the keys as text; empty when there is none.
func member(value any, name string) map[string]any {
	out := map[string]any{}
	var inner any
	switch m := value.(type) {
	case map[any]any:
		inner = m[name]
		if inner == nil {
			for key, v := range m { // status codes are numbers
				if fmt.Sprint(key) == name {
					inner = v
				}
			}
		}
	case map[string]any:
		inner = m[name]
	}
	if m, ok := inner.(map[any]any); ok {
		for key, v := range m {
			out[fmt.Sprint(key)] = v
		}
	}
	return out
}

func (d swagger) response(path, method, status string) (any, bool) {
	schema := member(member(member(member(d.paths, path), method), "responses"), status)["schema"]
	return schema, schema != nil
}

// checker compares a value with a schema and collects what does not fit.
type checker struct {
	d     swagger
	wrong []string
}

// tolerated are members that Docker itself sends though the version's definition lacks them. Of a task's network the
// definitions name the engine's type, and show the cluster's in their examples.
func tolerated(path string) bool {
	return strings.HasPrefix(path, "/tasks.NetworksAttachments.Network.") || slices.ContainsFunc([]string{".PortStatus", ".ConfigFrom", ".ConfigOnly", ".Init", ".Peers", "/networks.Containers"}, func(part string) bool { return strings.HasSuffix(path, part) })
}

func (c *checker) check(path string, schema, value any) {
	if value == nil {
		return
	}
	if ref, ok := lookup(schema, "$ref").(string); ok {
		c.check(path, c.d.definitions[strings.TrimPrefix(ref, "#/definitions/")], value)
		return
	}
	switch v := value.(type) {
	case map[string]any:
		c.object(path, schema, v)
	case []any:
		items := lookup(schema, "items")
		if kind, _ := lookup(schema, "type").(string); kind != "array" {
			c.fail("%s is a list, not %s", path, kind)
			return
		}
		for _, element := range v {
			c.check(path, items, element)
		}
	default:
		c.scalar(path, schema, v)
	}
}

func (c *checker) object(path string, schema any, value map[string]any) {
	properties := map[string]any{}
	c.properties(schema, properties)
	additional := lookup(schema, "additionalProperties")
	if kind, ok := lookup(schema, "type").(string); ok && kind != "object" {
		c.fail("%s is an object, not %s", path, kind)
		return
	}
	if len(properties) == 0 && additional == nil {
		return // anything goes
	}
	for name, inner := range value {
		switch property, ok := properties[name]; {
		case ok:
			c.check(path+"."+name, property, inner)
		case additional != nil && additional != false:
			c.check(path+".*", additional, inner)
		case !tolerated(path + "." + name):
			c.fail("%s.%s is not in the definition", path, name)
		}
	}
}

// properties collects an object's own properties and those of what it is made of.
func (c *checker) properties(schema any, out map[string]any) {
	if ref, ok := lookup(schema, "$ref").(string); ok {
		c.properties(c.d.definitions[strings.TrimPrefix(ref, "#/definitions/")], out)
		return
	}
	if all, ok := lookup(schema, "allOf").([]any); ok {
		for _, part := range all {
			c.properties(part, out)
		}
	}
	for name, property := range member(schema, "properties") {
		out[name] = property
	}
}

func (c *checker) scalar(path string, schema, value any) {
	kind, ok := lookup(schema, "type").(string)
	if !ok {
		return
	}
	got := map[string]string{"string": "string", "bool": "boolean", "float64": "number"}[fmt.Sprintf("%T", value)]
	if kind != got && !(kind == "integer" && got == "number") {
		c.fail("%s is a %s, not %s", path, got, kind)
	}
}

func (c *checker) fail(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

func (c *checker) report(t *testing.T, version string) {
	t.Helper()
	sort.Strings(c.wrong)
	for _, w := range slices.Compact(c.wrong) {
		t.Errorf("%s: %s", version, w)
	}
}

func lookup(schema any, name string) any {
	switch m := schema.(type) {
	case map[any]any:
		return m[name]
	case map[string]any:
		return m[name]
	}
	return nil
}
