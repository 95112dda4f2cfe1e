package stacks

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// TestSkepStack takes a stack through skep stack on two managers and a worker: what plan says comes about, on the nodes it
// says; what was deployed can be deployed again; and nothing is left.
func TestSkepStack(t *testing.T) {
	hoststest.NeedRoot(t)
	cfg := hosts.Config{Managers: 2, Workers: 1, Program: hoststest.Build(t, "skep"), Whoami: hoststest.Build(t, "whoami")}
	s := &own{t, hoststest.Up(t, cfg), cfg.Program, t.TempDir()}

	s.write("compose.yaml", `
services:
  web:
    image: skep/whoami:1
    environment: {WHOAMI_TEXT: "1"}
    configs: [site]
    secrets: [key]
    deploy:
      replicas: 4
      update_config: {parallelism: 1, monitor: 1s}
  each:
    image: skep/whoami:1
    deploy: {mode: global}
configs:
  site: {file: site.txt}
secrets:
  key: {file: key.txt}
`)
	s.write("site.txt", "one")
	s.write("key.txt", "a secret")
	s.status("w1", 1, "not a swarm manager", "plan", "shop")
	s.status("m1", 2, "+ service shop_web", "diff", "shop")
	s.comesAbout("m2", "deploy", "--message", "the first", "shop")
	s.status("m1", 0, "Nothing to change", "diff", "shop")
	s.status("m2", 0, "Nothing to change", "plan", "shop")

	s.replace("compose.yaml", `WHOAMI_TEXT: "1"`, `WHOAMI_TEXT: "2"`, "replicas: 4", "replicas: 5")
	s.write("site.txt", "two")
	said := s.status("m2", 2, "Env[WHOAMI_TEXT]: WHOAMI_TEXT=1 → WHOAMI_TEXT=2", "diff", "shop")
	if !strings.Contains(said, "Replicas: 4 → 5") || !strings.Contains(said, "a new version of site") || strings.Contains(said, "each") {
		t.Errorf("the difference is not what was changed:\n%s", said)
	}
	s.comesAbout("m1", "deploy", "shop")
	s.has("2", "two")

	history := s.status("m2", 0, "the first", "history", "shop")
	if strings.Count(history, "\n") != 2 {
		t.Errorf("there are not two revisions:\n%s", history)
	}
	s.status("m2", 0, "Revision 3 of stack shop", "rollback", "shop")
	s.has("1", "one")
	s.status("m1", 0, "rollback to revision 1", "history", "shop")
	s.status("m1", 0, "Removing 3 revisions", "rm", "shop")
	for _, kind := range []string{"service", "config", "secret"} {
		if left := s.docker("m1", kind, "ls", "--quiet"); left != "" {
			t.Errorf("a %s is left: %s", kind, left)
		}
	}
}

// own is a lab that skep stack is tried on.
type own struct {
	t *testing.T
	*hosts.Lab
	skep, dir string
}

func (s *own) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *own) replace(name string, oldNew ...string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(name, strings.NewReplacer(oldNew...).Replace(string(text)))
}

// status runs a command of skep stack that has to end with a status and say something.
func (s *own) status(host string, want int, says string, args ...string) string {
	s.t.Helper()
	if verb := args[0]; verb == "plan" || verb == "diff" || verb == "deploy" {
		args = append(args, "--compose-file", filepath.Join(s.dir, "compose.yaml"), "--resolve-image", "never")
	}
	cmd, err := s.Host(host).Command(s.t.Context(), append([]string{s.skep, "stack"}, args...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := said(cmd)
	if cmd.ProcessState == nil {
		s.t.Fatalf("skep stack %s did not run: %v", args[0], err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want || !strings.Contains(out, says) {
		s.t.Fatalf("skep stack %s on %s ended with %d, and should with %d and say %q:\n%s", strings.Join(args, " "), host, got, want, says, out)
	}
	s.t.Logf("skep stack %s\n%s", strings.Join(args, " "), out)
	return out
}

func (s *own) docker(host string, args ...string) string {
	s.t.Helper()
	out, err := s.Host(host).Exec(s.t.Context(), append([]string{"docker"}, args...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// comesAbout asks one manager for a plan, deploys, and holds the tasks that run against it.
func (s *own) comesAbout(host string, deploy ...string) {
	s.t.Helper()
	before := s.tasks()
	plan := s.status(host, 0, "shop_web: ", "plan", "shop")
	s.status(host, 0, "Stack shop is what the files say", deploy...)
	want := maps.Clone(before)
	line := regexp.MustCompile(`(?m)^    (shop_\S+): (?:starts on |restarts on |\S+ → )(\S+)$`)
	for _, m := range line.FindAllStringSubmatch(plan, -1) {
		want[m[1]] = m[2]
	}
	if got := s.tasks(); !maps.Equal(got, want) || len(got) == 0 {
		s.t.Errorf("planned: %v\ndeployed: %v", want, got)
	}
}

// tasks are the nodes of those that are to run.
func (s *own) tasks() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	services := strings.Fields(s.docker("m1", "service", "ls", "--format", "{{.Name}}"))
	slices.Sort(services)
	for _, service := range services {
		for line := range strings.Lines(s.docker("m1", "service", "ps", "--filter", "desired-state=running", "--format", "{{.Name}} {{.Node}}", service)) {
			name, node, _ := strings.Cut(strings.TrimSpace(line), " ")
			if service == "shop_each" {
				name = service + "." + node
			}
			out[name] = node
		}
	}
	return out
}

// has looks at the service's environment and config.
func (s *own) has(text, content string) {
	s.t.Helper()
	if env := s.docker("m1", "service", "inspect", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Env}}", "shop_web"); env != "[WHOAMI_TEXT="+text+"]" {
		s.t.Errorf("the environment is %s, not %s", env, text)
	}
	name := s.docker("m1", "service", "inspect", "--format", "{{(index .Spec.TaskTemplate.ContainerSpec.Configs 0).ConfigName}}", "shop_web")
	if data := s.docker("m1", "config", "inspect", "--pretty", name); !strings.Contains(data, content) {
		s.t.Errorf("the config of shop_web is not %q:\n%s", content, data)
	}
}
