package stackcmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/skep-org/skep/internal/api"
)

// TestScripts: "files" are those of a directory, in txtar form; "cluster" is what the cluster does from then on, a line
// each: fail METHOD KIND NAME: WHY, tasks SERVICE STATE [ERROR], update SERVICE STATE [MESSAGE], digest IMAGE DIGEST,
// registry ADDRESS, version OF-THE-API, policy PRIVILEGE SERVICES, forecast ANSWER, lose KIND NAME, work. "run" is a command, after which what was written is shown.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		f := newFake(t)
		root, err := filepath.Abs(".")
		require.NoError(t, err)
		t.Setenv("DOCKER_CONFIG", filepath.Join(root, "testdata/dockerconfig"))
		path, err = filepath.Abs(path)
		require.NoError(t, err)
		t.Chdir(t.TempDir())
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "files":
				for _, file := range txtar.Parse([]byte(d.Input)).Files {
					require.NoError(t, os.MkdirAll(filepath.Dir(file.Name), 0o750))
					require.NoError(t, os.WriteFile(file.Name, file.Data, 0o600))
				}
				return ""
			case "cluster":
				for line := range strings.Lines(d.Input) {
					f.does(t, strings.Fields(line))
				}
				return ""
			case "show":
				return f.show()
			}
			return f.script(t, d)
		})
	})
}

// script runs a command and shows what it printed and wrote.
func (f *fake) script(t *testing.T, d *datadriven.TestData) string {
	f.asked, f.headers = nil, nil
	line, stdin, _ := strings.Cut(d.Input, "\n")
	out, err := runWith(t, f, stdin, strings.Fields(line)...)
	said := []string{out}
	if err != nil {
		said = append(said, "error: "+strings.ReplaceAll(err.Error(), f.host, "HOST")+"\n")
	}
	for _, w := range f.asked {
		said = append(said, "> "+w+"\n")
	}
	for _, h := range f.headers {
		if h != "" {
			said = append(said, "X-Registry-Auth: "+h+"\n")
		}
	}
	return strings.Join(said, "")
}

// does is one line of what the cluster does.
func (f *fake) does(t *testing.T, words []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest := func(n int) string { return strings.Join(words[min(n, len(words)):], " ") }
	switch words[0] {
	case "fail":
		key, why, _ := strings.Cut(rest(1), ": ")
		f.fail[key] = why
	case "mend":
		f.fail = map[string]string{}
	case "digest":
		f.digests[words[1]] = words[2]
	case "version":
		f.version = words[1]
	case "registry":
		f.registry = rest(1)
	case "policy":
		f.policy = append(f.policy, api.PolicyRule{Privilege: words[1], Services: words[2:]})
	case "tasks":
		f.tasks = slices.DeleteFunc(f.tasks, func(t swarm.Task) bool { return t.ServiceID == "id-"+words[1] })
		task := swarm.Task{ID: "task-" + words[1], ServiceID: "id-" + words[1], Slot: 1, NodeID: "n1", DesiredState: swarm.TaskStateRunning}
		task.Status.State, task.Status.Err = swarm.TaskState(words[2]), rest(3)
		f.tasks = append(f.tasks, task)
	case "forecast":
		f.foresee = rest(1)
	case "lose": // KIND NAME
		f.kinds[words[1]] = slices.DeleteFunc(f.kinds[words[1]], func(o object) bool { return nameOf(o) == words[2] })
	case "work":
		f.work = (*fake).converge
	case "idle":
		f.work = nil
	case "update":
		f.work = func(f *fake) {
			f.converge()
			f.find("services", words[1])["UpdateStatus"] = object{"State": words[2], "Message": rest(3)}
		}
	case "object": // docker's: KIND NAME DATA LABEL=VALUE…
		labels := object{}
		for _, l := range words[4:] {
			k, v, _ := strings.Cut(l, "=")
			labels[k] = v
		}
		f.index++
		f.kinds[words[1]] = append(f.kinds[words[1]], object{"ID": "id-" + words[2], "Name": words[2], "Scope": "swarm", "Version": object{"Index": f.index},
			"Labels": labels, "Spec": object{"Name": words[2], "Data": words[3], "Labels": labels}})
	default:
		t.Fatalf("unknown: %s", words)
	}
}

// converge has every service run as many tasks as it asks for, made of its present spec.
func (f *fake) converge() {
	f.tasks = nil
	for _, o := range f.kinds["services"] {
		spec := decoded[swarm.ServiceSpec](o["Spec"])
		n := 1
		if r := spec.Mode.Replicated; r != nil && r.Replicas != nil {
			n = int(*r.Replicas)
		}
		for i := range n {
			t := swarm.Task{ID: fmt.Sprintf("task-%s-%d", spec.Name, i+1), ServiceID: o["ID"].(string), Slot: i + 1, NodeID: "n1", Spec: spec.TaskTemplate, DesiredState: swarm.TaskStateRunning}
			t.Status.State, t.Status.Timestamp = swarm.TaskStateRunning, time.Unix(1990, 0)
			f.tasks = append(f.tasks, t)
		}
	}
}

// show is what the cluster has.
func (f *fake) show() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for kind, all := range f.kinds {
		for _, o := range all {
			line := kind + " " + nameOf(o)
			if kind == "services" {
				c := decoded[swarm.ServiceSpec](o["Spec"]).TaskTemplate.ContainerSpec
				line += " " + c.Image
				for _, r := range c.Configs {
					line += " config " + r.ConfigName + "=" + r.ConfigID
				}
				for _, r := range c.Secrets {
					line += " secret " + r.SecretName + "=" + r.SecretID
				}
			}
			out = append(out, line+"\n")
		}
	}
	slices.Sort(out)
	return strings.Join(out, "")
}
