package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// settleLimit is for waits of which nothing is promised but that they end.
const settleLimit = 45 * time.Second

func TestMain(m *testing.M) {
	if how := os.Getenv(joinEnv); how != "" {
		os.Exit(joinAhead(how, os.Stdout))
	}
	goleak.VerifyTestMain(m)
}

// fixture is a lab in a test, which fails with the first step that does.
type fixture struct {
	*hosts.Lab
	t    *testing.T
	skep string // the program, which is at the same place on every host
}

// TestCluster has a lab for each kind of trouble. The programs are built once.
func TestCluster(t *testing.T) {
	hoststest.NeedRoot(t)
	cfg := hosts.Config{Managers: 3, Workers: 2, Program: hoststest.Build(t, "skep"), Whoami: hoststest.Build(t, "whoami")}
	for _, kind := range []struct {
		name string
		test func(*fixture)
	}{{"members", members}, {"failures", failures}, {"chaos", chaos}} {
		t.Run(kind.name, func(t *testing.T) { kind.test(&fixture{hoststest.Up(t, cfg), t, cfg.Program}) })
	}
}

// sub runs a part of the test; what comes after a failed one would only repeat it.
func (f *fixture) sub(name string, part func(*fixture)) {
	f.t.Helper()
	if !f.t.Run(name, func(t *testing.T) { part(&fixture{f.Lab, t, f.skep}) }) {
		f.tellLogs()
		f.t.FailNow()
	}
}

// tellLogs shows the end of every daemon's and engine's log.
func (f *fixture) tellLogs() {
	for _, h := range f.Hosts() {
		for _, program := range []string{hosts.Daemon, hosts.Engine} {
			data, err := os.ReadFile(h.Log(program))
			lines := strings.Split(strings.TrimSpace(string(data)), "\n")
			f.t.Logf("the log of %s of %s ends (%v):\n%s", program, h.Name, err, strings.Join(lines[max(0, len(lines)-25):], "\n"))
		}
	}
}

// must fails the test with an error.
func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// docker runs a docker command on a host that has to succeed, and returns what it says on its first output.
func (f *fixture) docker(host string, args ...string) string {
	f.t.Helper()
	out, errs, err := f.try(host, args...)
	if err != nil {
		f.t.Fatalf("docker %s on %s: %v: %s", mask(args), host, err, errs)
	}
	return out
}

// refused runs a docker command on a host that has to fail with this text within five seconds. Several goroutines may do so.
func (f *fixture) refused(host, text string, args ...string) {
	f.t.Helper()
	began := time.Now()
	out, errs, err := f.try(host, args...)
	took := time.Since(began)
	if err == nil {
		f.t.Errorf("docker %s on %s did not fail: %s", mask(args), host, out)
		return
	}
	if !strings.Contains(errs, text) || !strings.Contains(errs, "Error response from daemon: ") {
		f.t.Errorf("docker %s on %s says %q, wanted %q", mask(args), host, errs, text)
	}
	if took > promisedAnswer+answerSlack {
		f.t.Errorf("docker %s on %s took %v to fail with %q", mask(args), host, took, errs)
	}
}

// promisedAnswer is how long an answer may take, whatever has been lost.
const promisedAnswer = 5 * time.Second

// answerSlack is for the docker command itself to start on a busy machine.
const answerSlack = 3 * time.Second

func (f *fixture) try(host string, args ...string) (out, errs string, err error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	cmd, err := f.Host(host).Command(ctx, append([]string{"docker"}, args...)...)
	if err != nil {
		return "", "", err
	}
	return output(cmd)
}

func output(cmd *exec.Cmd) (out, errs string, err error) {
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return strings.TrimSpace(o.String()), strings.TrimSpace(e.String()), err
}

// mask leaves tokens out.
func mask(args []string) string {
	shown := slices.Clone(args)
	for i, a := range shown {
		if strings.HasPrefix(a, "SWMTKN-") {
			shown[i] = "TOKEN"
		}
	}
	return strings.Join(shown, " ")
}

// eventually repeats a check until it says nothing, and returns how long that took.
func (f *fixture) eventually(limit time.Duration, check func() string) time.Duration {
	f.t.Helper()
	return hoststest.Eventually(f.t, limit, check)
}

// nodes waits until a manager tells the nodes so, one a line: name, state, availability and manager status.
func (f *fixture) nodes(via string, want ...string) {
	f.t.Helper()
	f.eventually(settleLimit, func() string {
		got, errs, err := f.try(via, "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}")
		lines := strings.Split(strings.ReplaceAll(got, "Leader", "Reachable"), "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		slices.Sort(lines)
		if err == nil && slices.Equal(lines, slices.Sorted(slices.Values(want))) {
			return ""
		}
		return fmt.Sprintf("%s says %s: %v: %s; wanted %v", via, got, err, errs, want)
	})
}

// Nodes as [fixture.nodes] writes them.
func manager(name string) string { return name + " Ready Active Reachable" }
func worker(name string) string  { return name + " Ready Active" }
func down(name string) string    { return name + " Down Active" }

// leader is the name of the manager that leads.
func (f *fixture) leader(via string) string {
	f.t.Helper()
	name := ""
	f.eventually(settleLimit, func() string {
		got, errs, err := f.try(via, "node", "ls", "--format", "{{if eq .ManagerStatus \"Leader\"}}{{.Hostname}}{{end}}")
		if name = strings.TrimSpace(got); err != nil || name == "" {
			return fmt.Sprintf("%s names no leader: %v: %s", via, err, errs)
		}
		return ""
	})
	return name
}

// create makes a service without waiting for it.
func (f *fixture) create(via, name string, args ...string) {
	f.t.Helper()
	f.docker(via, append(append([]string{"service", "create", "--detach", "--name", name}, args...), hosts.WhoamiImage)...)
}

// containers are the running containers of a service on a host by their ids, with the time each was started.
func (f *fixture) containers(host, service string) map[string]string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), settleLimit)
	defer cancel()
	found, err := running(ctx, f.Host(host), service)
	f.must(err)
	return found
}

func running(ctx context.Context, h *hosts.Host, service string) (map[string]string, error) {
	list, err := h.Engine().ContainerList(ctx, client.ContainerListOptions{Filters: client.Filters{}.Add("label", "com.docker.swarm.service.name="+service)})
	if err != nil {
		return nil, fmt.Errorf("asking the engine of %s: %w", h.Name, err)
	}
	found := map[string]string{}
	for _, c := range list.Items {
		r, err := h.Engine().ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
		if cerrdefs.IsNotFound(err) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("asking the engine of %s: %w", h.Name, err)
		}
		found[c.ID] = r.Container.State.StartedAt
	}
	return found, nil
}

// spread counts a service's running containers on the hosts that are on.
func (f *fixture) spread(service string) map[string]int {
	f.t.Helper()
	count := map[string]int{}
	for _, h := range f.Hosts() {
		on, err := h.Running()
		f.must(err)
		if on {
			count[h.Name] = len(f.containers(h.Name, service))
		}
	}
	return count
}

// runs waits until so many containers of a service run on the hosts that are on.
func (f *fixture) runs(limit time.Duration, service string, n int) time.Duration {
	f.t.Helper()
	return f.eventually(limit, func() string {
		count, sum := f.spread(service), 0
		for _, c := range count {
			sum += c
		}
		if sum != n {
			return fmt.Sprintf("%d of %d containers of %s run: %v", sum, n, service, count)
		}
		return ""
	})
}
