package stackcmd

import (
	"encoding/json"
	"flag"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/model/dependency"
)

// TestSameAsDocker: what skep stack deploy asks of a cluster is what docker stack deploy (28.2.2) was recorded to ask, but
// for the versions in the names of secrets and configs, and what skep honours and docker leaves out. -rewrite records it
// anew, with the docker command of this machine.
func TestSameAsDocker(t *testing.T) {
	record := flag.Lookup("rewrite").Value.String() == "true"
	datadriven.RunTest(t, "testdata/docker.txt", func(t *testing.T, d *datadriven.TestData) string {
		f := outside(t, d)
		file := filepath.Join("../../../testdata", d.Cmd)
		name := filepath.Base(filepath.Dir(file))
		if record {
			out, err := exec.CommandContext(t.Context(), "docker", "--host", f.host, "stack", "deploy", "--resolve-image", "never", "--compose-file", file, name).CombinedOutput()
			require.NoError(t, err, "%s", out)
		} else {
			_, err := run(t, f, "deploy", "--detach", "--resolve-image", "never", "--compose-file", file, name)
			require.NoError(t, err)
		}
		return f.posted(t, !record)
	})
}

// outside is a cluster with what a script's stack does not make itself: networks=NAME and so on.
func outside(t *testing.T, d *datadriven.TestData) *fake {
	f := newFake(t)
	f.policy = []api.PolicyRule{{Privilege: "shm-size", Services: []string{"*"}}}
	for _, a := range d.CmdArgs {
		for _, name := range a.Vals {
			f.kinds[a.Key] = append(f.kinds[a.Key], object{"ID": "id-" + name, "Id": "id-" + name, "Name": name, "Scope": "swarm", "Spec": object{"Name": name}})
		}
	}
	return f
}

// posted are the writes in the order of kinds and names, without what is empty.
func (f *fake) posted(t *testing.T, ours bool) string {
	var lines []string
	for i, key := range f.asked {
		body := f.bodies[i]
		if strings.HasPrefix(key, "create configs ") && strings.Contains(key, ".revision.") {
			continue // what skep keeps of each deployment
		}
		if ours {
			asDocker(body)
		}
		raw, err := json.Marshal(nothing(body))
		require.NoError(t, err)
		lines = append(lines, digits.ReplaceAllString(key, "")+" "+string(raw)+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// asDocker takes out what skep adds on purpose.
func asDocker(v any) {
	switch v := v.(type) {
	case object:
		delete(v, "skep.stack.object")
		delete(v, "skep.shm-size")
		for k, below := range v {
			if dependency.Owns(k) {
				delete(v, k)
				continue
			}
			if text, ok := below.(string); ok && strings.HasSuffix(k, "Name") {
				v[k] = digits.ReplaceAllString(text, "")
			}
			asDocker(below)
		}
	case []any:
		for _, below := range v {
			asDocker(below)
		}
	}
}

// nothing takes out nulls and what is empty.
func nothing(v any) any {
	switch v := v.(type) {
	case object:
		for k, below := range v {
			if k == "Global" && below != nil {
				continue // it is empty, and says what it is by being there
			}
			if v[k] = nothing(below); v[k] == nil {
				delete(v, k)
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = nothing(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

// TestTakenOver: where docker stack deploy has been, skep stack deploy has nothing to do, but for what it honours beyond.
func TestTakenOver(t *testing.T) {
	beyond := []string{
		"update services gitlab_gitlab", // it gets its shm_size
		// What they depend on becomes labels, for which no task is replaced.
		"update services kafka_kafka", "update services voting_vote", "update services wordpress_wordpress",
	}
	datadriven.RunTest(t, "testdata/docker.txt", func(t *testing.T, d *datadriven.TestData) string {
		f := outside(t, d)
		for line := range strings.Lines(d.Expected) {
			parts := strings.SplitN(line, " ", 4)
			body := object{}
			require.NoError(t, json.Unmarshal([]byte(parts[3]), &body))
			id := "id-" + parts[2]
			f.kinds[parts[1]] = append(f.kinds[parts[1]], object{"ID": id, "Id": id, "Name": parts[2], "Scope": "swarm", "Driver": body["Driver"],
				"Internal": body["Internal"], "Attachable": body["Attachable"], "IPAM": body["IPAM"], "Labels": body["Labels"], "Spec": f.kept(parts[1], body), "Version": object{"Index": 1}})
		}
		file := filepath.Join("../../../testdata", d.Cmd)
		name := filepath.Base(filepath.Dir(file))
		out, err := run(t, f, "deploy", "--detach", "--resolve-image", "never", "--compose-file", file, name)
		require.NoError(t, err)
		for _, w := range f.asked {
			if !strings.HasPrefix(w, "update secrets ") && w != "create configs "+name+".revision.1" && !slices.Contains(beyond, w) {
				t.Errorf("%s: %s\n%s", d.Cmd, w, out)
			}
		}
		if strings.Contains(out, "other settings") {
			t.Errorf("%s: %s", d.Cmd, out)
		}
		return d.Expected
	})
}
