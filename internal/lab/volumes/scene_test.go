package volumes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/csi/csitest"
	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// api is the version that clients have to speak; the engines' own is older.
	api         = "1.44"
	ledgerImage = "skep/ledger:1"
	settleLimit = 90 * time.Second
)

// scene is a lab whose hosts have the test driver, and all see the directory with its volumes.
type scene struct {
	*testing.T
	lab     *hosts.Lab
	place   csitest.Place
	program string
}

// programs are what the labs are made of.
type programs struct{ skep, whoami, driver string }

// TestVolumes has a lab for each part. The programs are built once.
func TestVolumes(t *testing.T) {
	hoststest.NeedRoot(t)
	p := programs{hoststest.Build(t, "skep"), hoststest.Build(t, "whoami"), filepath.Join(t.TempDir(), "driver")}
	if err := engine.BuildStatic(t.Context(), "github.com/skep-org/skep/internal/csi/csitest/program", p.driver); err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		name string
		test func(*testing.T, programs)
	}{{"mistakes", mistakes}, {"command", command}, {"moves", moving}} {
		t.Run(part.name, func(t *testing.T) { part.test(t, p) })
	}
}

// newScene has drivers that are given these flags.
func newScene(t *testing.T, p programs, cfg hosts.Config, flags func(host string) []string) *scene {
	s := &scene{T: t, place: csitest.Place(t.TempDir()), program: p.driver}
	cfg.Program, cfg.Whoami = p.skep, p.whoami
	s.lab = hoststest.Up(t, cfg)
	ctx, stop := context.WithCancel(t.Context())
	var drivers sync.WaitGroup
	for _, h := range s.lab.Hosts() {
		files := []engine.File{{Path: "/program", From: s.program}}
		if _, err := engine.ImportImage(t.Context(), h.Engine(), ledgerImage, files, `ENTRYPOINT ["/program"]`); err != nil {
			t.Fatal(err)
		}
		drivers.Go(func() { s.drive(ctx, h, flags(h.Name)) })
	}
	t.Cleanup(func() {
		stop()
		drivers.Wait()
		if t.Failed() {
			s.tellLogs()
		}
	})
	return s
}

// drive keeps a host's driver running, as whoever runs drivers does. It waits for the host's daemon: a socket that is made while
// the host comes up could be below the /run that is mounted next.
func (s *scene) drive(ctx context.Context, h *hosts.Host, flags []string) {
	for ctx.Err() == nil {
		args := append([]string{s.program, "-place", string(s.place), "-node", h.Name, "-socket", "/run/skep/csi/test.sock"}, flags...)
		if _, err := h.Exec(ctx, "test", "-S", "/run/skep/skep.sock"); err == nil {
			if cmd, err := h.Command(ctx, args...); err == nil {
				_ = cmd.Run() // it crashes when it is told to
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (s *scene) tellLogs() {
	state, err := s.place.Look()
	s.Logf("the drivers' state: %+v %v", state, err)
	for _, h := range s.lab.Hosts() {
		data, err := os.ReadFile(h.Log(hosts.Daemon))
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		s.Logf("the log of %s ends (%v):\n%s", h.Name, err, strings.Join(lines[max(0, len(lines)-30):], "\n"))
	}
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// docker runs the docker command, in the version that knows cluster volumes.
func (s *scene) docker(host string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	cmd, err := s.lab.Host(host).Command(ctx, append([]string{dockerCommand()}, args...)...)
	if err != nil {
		return "", err
	}
	cmd.Env = append(cmd.Env, "DOCKER_API_VERSION="+api)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// dockerCommand is the newest that there is.
func dockerCommand() string {
	if _, err := os.Stat("/usr/local/bin/docker"); err == nil {
		return "/usr/local/bin/docker"
	}
	return "docker"
}

// needDocker skips a test that cannot run: older docker commands do not know cluster volumes.
func needDocker(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), dockerCommand(), "volume", "create", "--help").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--sharing") {
		t.Skipf("skipped: %s does not know cluster volumes: it is older than 23.0 (%v)", dockerCommand(), err)
	}
}

// say runs a docker command that has to succeed.
func (s *scene) say(host string, args ...string) string {
	s.Helper()
	out, err := s.docker(host, args...)
	s.must(err)
	return out
}

// client speaks to a host's API.
func (s *scene) client(host string) *client.Client {
	s.Helper()
	c, err := client.New(client.WithHost(s.lab.Host(host).DockerHost()), client.WithAPIVersion(api))
	s.must(err)
	s.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *scene) eventually(limit time.Duration, check func() string) time.Duration {
	s.Helper()
	return hoststest.Eventually(s, limit, check)
}

// volume is a cluster volume as a host tells of it.
func (s *scene) volume(c *client.Client, name string) (volume.Volume, error) {
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	r, err := c.VolumeInspect(ctx, name, client.VolumeInspectOptions{})
	return r.Volume, err
}

// created waits until the driver has made a volume, and returns what it calls it.
func (s *scene) created(c *client.Client, name string) (handle string) {
	s.Helper()
	s.eventually(settleLimit, func() string {
		v, err := s.volume(c, name)
		if err != nil || v.ClusterVolume == nil || v.ClusterVolume.Info == nil {
			return fmt.Sprintf("volume %s: %+v %v", name, v.Status, err)
		}
		handle = v.ClusterVolume.Info.VolumeID
		return ""
	})
	return handle
}

// runsOn is the host where a service's only running task is; empty: none is.
func (s *scene) runsOn(c *client.Client, service string) string {
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	tasks, err := c.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", service).Add("desired-state", "running")})
	if err != nil {
		return ""
	}
	nodes, err := c.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return ""
	}
	for _, t := range tasks.Items {
		for _, n := range nodes.Items {
			if t.NodeID == n.ID && t.Status.State == swarm.TaskStateRunning {
				return n.Description.Hostname
			}
		}
	}
	return ""
}

// why tells what a service's tasks wait for.
func (s *scene) why(host, service string) string {
	out, err := s.docker(host, "service", "ps", "--no-trunc", "--format", "{{.Name}} {{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}}", service)
	return fmt.Sprint(out, " ", err)
}

// ledger is how far the service has come.
func (s *scene) ledger(handle string) (int, error) {
	return csitest.LastNumber(filepath.Join(string(s.place), "data", handle, "ledger"))
}

// goesOn waits until the service, on whatever host, has written more than it had.
func (s *scene) goesOn(c *client.Client, host, handle string) {
	s.Helper()
	before, err := s.ledger(handle)
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	s.eventually(settleLimit, func() string {
		now, err := s.ledger(handle)
		if err != nil || now < before+5 || s.runsOn(c, "ledger") == "" {
			v, volErr := s.volume(c, "data")
			return fmt.Sprintf("the ledger has %d, had %d: %v\n%s\n%v %v", now, before, err, s.why(host, "ledger"), v.Status, volErr)
		}
		return ""
	})
	s.clean()
}

// clean fails the test when a driver found something wrong.
func (s *scene) clean() {
	s.Helper()
	found, err := s.place.Violations()
	s.must(err)
	if len(found) > 0 {
		s.Fatalf("the drivers found wrong:\n%s", strings.Join(found, "\n"))
	}
}
