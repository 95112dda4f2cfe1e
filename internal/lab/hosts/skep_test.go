package hosts_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// TestCommand is a user's way through skep lab with one host: every step is a process of its own, and the program of the
// image is skep itself, since nothing lies beside it.
func TestCommand(t *testing.T) {
	hoststest.NeedRoot(t)
	before, dir := shared(t), hoststest.Dir(t)
	skep := hoststest.Build(t, "skep")
	run := func(args ...string) string {
		t.Helper()
		out, err := command(t.Context(), skep, dir, args...)
		if err != nil {
			t.Fatalf("skep lab %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return out
	}
	out := run("up", "--managers", "1", "--workers", "0")
	t.Cleanup(func() { _, _ = command(context.WithoutCancel(t.Context()), skep, dir, "down") })
	lab, err := hosts.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lab.Down(context.WithoutCancel(t.Context())) }()
	if want := "export DOCKER_HOST=" + lab.Host("m1").DockerHost(); !strings.HasSuffix(strings.TrimSpace(out), want) {
		t.Errorf("up ends with %s", out)
	}
	if got := run("exec", "m1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}"); got != "m1 Ready Leader\n" {
		t.Errorf("docker node ls on the host says %q", got)
	}
	if got := run("status"); !strings.Contains(got, "on") || strings.Count(got, "answers") != 2 {
		t.Errorf("status says:\n%s", got)
	}
	if got := run("logs", "m1"); !strings.Contains(got, "serving the API") {
		t.Errorf("logs says:\n%s", got)
	}
	var code *exec.ExitError
	if _, err := command(t.Context(), skep, dir, "client", "--", "sh", "-c", "exit 3"); !errors.As(err, &code) || code.ExitCode() != 3 {
		t.Errorf("a command's exit code 3 arrives as %v", err)
	}
	if out, err := command(t.Context(), skep, dir, "up"); err == nil || !strings.Contains(out, "there is a lab") {
		t.Errorf("a second up says %s", out)
	}
	service(t, lab)
	t.Run("a killed daemon", func(t *testing.T) { killedDaemon(t, lab) })
	t.Run("shut down and started", func(t *testing.T) { shutDown(t, lab, run) })
	if got := run("down"); !strings.Contains(got, "is gone") {
		t.Errorf("down says %q", got)
	}
	if left := traces(t, dir, lab.Cgroup()); len(left) > 0 {
		t.Errorf("down left:\n%s", strings.Join(left, "\n"))
	}
	if after := shared(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// command runs a skep lab command.
func command(ctx context.Context, skep, dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, upLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, skep, append([]string{"lab", "--dir", dir}, args...)...).CombinedOutput()
	return string(out), err
}

// service publishes a port on the host, which the client reaches.
func service(t *testing.T, lab *hosts.Lab) {
	t.Helper()
	on(t, lab.Host("m1"), "docker", "service", "create", "--detach", "--name", "web", "--publish", "mode=host,published=8080,target=8080", hosts.WhoamiImage)
	eventually(t, 30*time.Second, func() string { return answers(t, lab) })
}

func answers(t *testing.T, lab *hosts.Lab) string {
	t.Helper()
	text, err := page(t.Context(), lab.Client(), lab.Host("m1").Address.String()+":8080")
	if err != nil || !strings.HasPrefix(text, "Hostname: ") {
		return "the client is answered " + text + ": " + errorText(err)
	}
	return ""
}

func errorText(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// killedDaemon: the host starts its daemon again unless it is held, and the container does not notice.
func killedDaemon(t *testing.T, lab *hosts.Lab) {
	m1 := lab.Host("m1")
	container := func() string {
		list, err := m1.Engine().ContainerList(t.Context(), client.ContainerListOptions{})
		if err != nil || len(list.Items) != 1 {
			t.Fatalf("%d containers run: %v", len(list.Items), err)
		}
		return list.Items[0].ID
	}
	alive := func() string {
		_, err := m1.Docker().ServiceList(t.Context(), client.ServiceListOptions{})
		if err != nil {
			return err.Error()
		}
		return ""
	}
	before := container()
	if err := m1.Hold(hosts.Daemon, true); err != nil {
		t.Fatal(err)
	}
	if err := m1.Signal(t.Context(), hosts.Daemon, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, func() string {
		if alive() == "" {
			return "the killed daemon answers"
		}
		return ""
	})
	if err := m1.Hold(hosts.Daemon, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, alive)
	if got := container(); got != before {
		t.Errorf("the container was %s, is %s", before, got)
	}
}

// shutDown: after an orderly end and a start the cluster is the same and its service runs.
func shutDown(t *testing.T, lab *hosts.Lab, run func(...string) string) {
	node := on(t, lab.Host("m1"), "docker", "info", "--format", "{{.Swarm.NodeID}}")
	run("stop", "m1")
	if on, err := lab.Host("m1").Running(); on || err != nil {
		t.Errorf("a stopped host runs: %v, %v", on, err)
	}
	run("start", "m1")
	if got := on(t, lab.Host("m1"), "docker", "info", "--format", "{{.Swarm.NodeID}}"); got != node || got == "" {
		t.Errorf("the node was %s, is %s", node, got)
	}
	eventually(t, 30*time.Second, func() string { return answers(t, lab) })
}
