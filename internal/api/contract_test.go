package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/skep-org/skep/internal/api/swagger"
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
		d, err := swagger.Load(t.Context(), version)
		if err != nil {
			t.Fatal(err)
		}
		for _, route := range []struct{ pattern, path string }{
			{"/swarm", "/swarm"}, {"/nodes", "/nodes"}, {"/nodes/{id}", "/nodes/one"}, {"/services", "/services?status=true"},
			{"/services/{id}", "/services/web?insertDefaults=true"}, {"/tasks", "/tasks"}, {"/secrets", "/secrets"}, {"/secrets/{id}", "/secrets/s"},
			{"/configs", "/configs"}, {"/configs/{id}", "/configs/c"}, {"/networks", "/networks"}, {"/networks/{id}", "/networks/back"},
		} {
			described, ok := d.Operation(http.MethodGet, route.pattern)
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
			for _, wrong := range described.Check(http.StatusOK, value) {
				if member, lacks := strings.CutSuffix(wrong, " is not in the definition"); !lacks || !tolerated(member) {
					t.Errorf("%s: %s", version, wrong)
				}
			}
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

// tolerated are members that Docker itself sends though the version's definition lacks them. Of a task's network the
// definitions name the engine's type, and show the cluster's in their examples.
func tolerated(path string) bool {
	return strings.HasPrefix(path, "/tasks.NetworksAttachments.Network.") || slices.ContainsFunc([]string{".PortStatus", ".ConfigFrom", ".ConfigOnly", ".Init", ".Peers", "/networks.Containers", "/swarm.DataPathPort", "/swarm.DefaultAddrPool", "/swarm.SubnetSize"}, func(part string) bool { return strings.HasSuffix(path, part) })
}
