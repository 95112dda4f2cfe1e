package network

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

var (
	program = flag.String("skep", "", "the skep to try, instead of this source's")
	sealed  = flag.Bool("encrypted", false, "have every network of TestNetwork encrypted, the ingress network too")
	strict  = flag.Bool("strict", false, "hold every time to what is promised, as on a machine that does nothing else; without it they may be three times as long")
)

// within is how long something may take that is promised within a time. The tests run on machines that run others as well,
// which says nothing of a network: there, what takes much longer than promised is a fault, and what takes a little longer is not.
func within(promised time.Duration) time.Duration {
	if *strict {
		return promised
	}
	return 3 * promised
}

// settleLimit is for waits of which nothing is promised but that they end.
const settleLimit = 60 * time.Second

func TestMain(m *testing.M) {
	if text := os.Getenv(captureFor); text != "" {
		if err := captureHere(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// fixture is a lab in a test, which fails with the first step that does.
type fixture struct {
	*hosts.Lab
	t            *testing.T
	skep, whoami string // the programs, which are at the same place on every host
}

// TestNetwork has one lab for all: three managers and two workers.
func TestNetwork(t *testing.T) {
	hoststest.NeedRoot(t)
	skep, whoami := *program, hoststest.Build(t, "whoami")
	if skep == "" {
		skep = hoststest.Build(t, "skep")
	}
	lab := hoststest.Up(t, hosts.Config{Managers: 3, Workers: 2, Program: skep, Whoami: whoami})
	f := &fixture{lab, t, skep, whoami}
	f.clean()
	if *sealed {
		f.sealIngress()
	}
	for _, part := range parts() {
		f.sub(part.name, func(f *fixture) {
			defer f.clean()
			part.test(f)
		})
	}
}

type part struct {
	name string
	test func(*fixture)
}

// parts are the tests, in order: what comes later needs what came before to work.
func parts() []part {
	return []part{
		{"overlays", overlays}, {"mesh", mesh}, {"guests", guests}, {"reach", reach}, {"changes", changes}, {"faults", faults},
	}
}

// sub runs a part; after one that failed the others are tried too, on what it left.
func (f *fixture) sub(name string, test func(*fixture)) bool {
	f.t.Helper()
	return f.t.Run(name, func(t *testing.T) {
		began := time.Now()
		sub := &fixture{f.Lab, t, f.skep, f.whoami}
		t.Cleanup(func() {
			if t.Failed() && strings.Count(t.Name(), "/") == 1 {
				sub.tellLogs()
			}
			t.Logf("took %.1f s", time.Since(began).Seconds())
		})
		test(sub)
	})
}

// tellLogs shows the end of every daemon's log.
func (f *fixture) tellLogs() {
	for _, h := range f.Hosts() {
		data, err := os.ReadFile(h.Log(hosts.Daemon))
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		f.t.Logf("the log of %s ends (%v):\n%s", h.Name, err, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}

// clean removes every service, plain container, network of the tests, and waits until their containers are gone.
func (f *fixture) clean() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.t.Context()), 2*settleLimit)
	defer cancel()
	if services := f.quiet(ctx, "m1", "docker service ls -q"); services != "" {
		f.quiet(ctx, "m1", "docker service rm "+strings.Join(strings.Fields(services), " "))
	}
	for _, h := range f.Hosts() {
		f.quiet(ctx, h.Name, "ids=$(docker -H unix:///run/docker.sock ps -aq --filter label=test); [ -z \"$ids\" ] || docker -H unix:///run/docker.sock rm -f $ids")
	}
	f.eventually(settleLimit, func() string {
		for _, h := range f.Hosts() {
			if left := f.quiet(ctx, h.Name, "docker -H unix:///run/docker.sock ps -q"); left != "" {
				return h.Name + " still runs " + left
			}
		}
		return ""
	})
	f.eventually(settleLimit, func() string {
		names := f.quiet(ctx, "m1", "docker network ls --filter label=test -q")
		if names == "" {
			return ""
		}
		return f.quiet(ctx, "m1", "docker network rm "+strings.Join(strings.Fields(names), " "))
	})
}

// quiet runs a shell's line on a host and returns what it says, whatever comes of it.
func (f *fixture) quiet(ctx context.Context, host, line string) string {
	out, err := f.Host(host).Exec(ctx, "sh", "-c", line)
	if err != nil {
		return err.Error()
	}
	return out
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
	out, errs, err := f.try(host, append([]string{"docker"}, args...)...)
	if err != nil {
		f.t.Fatalf("docker %s on %s: %v: %s", strings.Join(args, " "), host, err, errs)
	}
	return out
}

// refused runs a docker command that has to fail with this text.
func (f *fixture) refused(host, text string, args ...string) {
	f.t.Helper()
	out, errs, err := f.try(host, append([]string{"docker"}, args...)...)
	if err == nil {
		f.t.Errorf("docker %s on %s did not fail: %s", strings.Join(args, " "), host, out)
	} else if !strings.Contains(errs, text) {
		f.t.Errorf("docker %s on %s says %q, wanted %q", strings.Join(args, " "), host, errs, text)
	}
}

// run runs a command on a host that has to succeed.
func (f *fixture) run(host string, args ...string) string {
	f.t.Helper()
	out, errs, err := f.try(host, args...)
	if err != nil {
		f.t.Fatalf("%s on %s: %v: %s", strings.Join(args, " "), host, err, errs)
	}
	return out
}

func (f *fixture) try(host string, args ...string) (out, errs string, err error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), settleLimit)
	defer cancel()
	cmd, err := f.Host(host).Command(ctx, args...)
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

// eventually repeats a check until it says nothing, and returns how long that took.
func (f *fixture) eventually(limit time.Duration, check func() string) time.Duration {
	f.t.Helper()
	return hoststest.Eventually(f.t, limit, check)
}

// overlay makes a network that clean removes.
func (f *fixture) overlay(name string, args ...string) {
	f.t.Helper()
	all := []string{"network", "create", "--driver", "overlay", "--label", "test"}
	if *sealed && !slices.Contains(args, "encrypted") {
		all = append(all, "--opt", "encrypted")
	}
	f.docker("m1", append(append(all, args...), name)...)
}

// sealIngress makes the ingress network anew, encrypted. The command asks whether it is to be removed.
func (f *fixture) sealIngress() {
	f.t.Helper()
	f.eventually(settleLimit, func() string {
		if _, errs, err := f.try("m1", "sh", "-c", "echo y | docker network rm ingress"); err != nil && !strings.Contains(errs, "not found") {
			return errs
		}
		_, errs, err := f.try("m1", "docker", "network", "create", "--driver", "overlay", "--ingress", "--opt", "encrypted", "ingress")
		if err != nil {
			return errs
		}
		return ""
	})
}

// service makes a service whose tasks call themselves SLOT@HOST, and waits until they run.
func (f *fixture) service(name string, args ...string) {
	f.t.Helper()
	f.create(name, args...)
	f.running(name)
}

// create makes a service without waiting for it. What comes after "--" is the server's own.
func (f *fixture) create(name string, args ...string) {
	f.t.Helper()
	var own []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, own = args[:i], args[i+1:]
	}
	all := []string{"service", "create", "--detach", "--no-resolve-image", "--name", name, "--restart-delay", "100ms"}
	if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "TASK_NAME=") }) {
		all = append(all, "--env", "TASK_NAME="+name+".{{.Task.Slot}}@{{.Node.Hostname}}")
	}
	all = append(append(append(all, args...), hosts.WhoamiImage), own...)
	f.docker("m1", all...)
}

// running waits until a service has the tasks it wants and no others.
func (f *fixture) running(name string) {
	f.t.Helper()
	f.eventually(settleLimit, func() string {
		return f.behind(name)
	})
}

// behind says what a service lacks.
func (f *fixture) behind(name string) string {
	got, errs, err := f.try("m1", "docker", "service", "ls", "--filter", "name="+name, "--format", "{{.Name}} {{.Replicas}}")
	if err != nil {
		return errs
	}
	for _, line := range strings.Split(got, "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			if have, want, _ := strings.Cut(fields[1], "/"); have == want {
				return ""
			}
			said, _, _ := f.try("m1", "docker", "service", "ps", "--no-trunc", "--format", "{{.Name}} {{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}}", name)
			return fmt.Sprintf("of %s run %s:\n%s", name, fields[1], said)
		}
	}
	return "there is no service " + name + ": " + got
}

// task finds the container of a service that runs on a host.
func (f *fixture) task(host, service string) place {
	f.t.Helper()
	var id string
	f.eventually(settleLimit, func() string {
		id = f.docker(host, "-H", engineSocket, "ps", "-q", "--no-trunc", "--filter", "label=com.docker.swarm.service.name="+service)
		if id == "" || strings.Contains(id, "\n") {
			return fmt.Sprintf("%s runs as containers of %s: %q", host, service, id)
		}
		return ""
	})
	return place{host, id}
}

const engineSocket = "unix:///run/docker.sock"
