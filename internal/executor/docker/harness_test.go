package docker_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/conformance"
	"github.com/skep-org/skep/internal/executor/docker"
	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/engine/enginetest"
	"github.com/skep-org/skep/internal/model"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is the image of the conformance suite's program.
const fixture = "skep/fixture:1"

// startEngine starts an engine with the fixture's image. An executor that was not tried on an engine is not tested:
// without one this fails.
func startEngine(t *testing.T) *engine.Engine {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil || os.Geteuid() != 0 {
		t.Fatal("this test needs root and dockerd: `make setup` installs docker.io")
	}
	e := enginetest.Start(t)
	program := filepath.Join(t.TempDir(), "fixture")
	if err := engine.BuildStatic(t.Context(), "github.com/skep-org/skep/internal/executor/conformance/fixture", program); err != nil {
		t.Fatal(err)
	}
	files := []engine.File{{Path: "/fixture", From: program}}
	if _, err := engine.ImportImage(t.Context(), e.Client(), fixture, files, `ENTRYPOINT ["/fixture"]`); err != nil {
		t.Fatal(err)
	}
	return e
}

// harness is one node on the engine; several may share it, as each looks after its own tasks.
type harness struct {
	engine *engine.Engine
	plane  *plane // nil: the node has no overlay networks
	node   model.ID
	files  string
	source func(string) string
}

func newHarness(t *testing.T, e *engine.Engine) *harness {
	t.Helper()
	// A tmpfs that was mounted before the engine started, since its mounts are its own.
	files, err := os.MkdirTemp("/dev/shm", "skep-test") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(files); err != nil {
			t.Error(err)
		}
	})
	return &harness{engine: e, node: env.Real().NewID(), files: files}
}

func (h *harness) Executor(t *testing.T) executor.Executor { return h.docker(t) }

func (h *harness) docker(t *testing.T) *docker.Executor {
	t.Helper()
	o := docker.Options{Host: h.engine.Host(), NodeID: h.node, Files: h.files, Env: env.Real(), Source: h.source}
	if h.plane != nil {
		o.Plane = h.plane
	}
	e, err := docker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// task makes a task of a spec.
func (h *harness) task(spec *swarm.ContainerSpec) *executor.Task {
	w := env.Real()
	if spec.Image == "" {
		spec.Image = fixture
	}
	return &executor.Task{
		ID: w.NewID(), ServiceID: w.NewID(), NodeID: h.node, NodeHostname: "host", Slot: 1, ServiceName: "web",
		Image: spec.Image, Spec: &swarm.TaskSpec{ContainerSpec: spec},
	}
}

func (h *harness) Task(_ *testing.T, b conformance.Behaviour) *executor.Task {
	spec := &swarm.ContainerSpec{TTY: b.TTY, Args: []string{
		"-exit-after=" + b.ExitAfter.String(), "-code=" + strconv.Itoa(b.ExitCode),
		"-stop-takes=" + b.StopTakes.String(), "-say=" + strings.Join(b.Output, ","),
	}}
	if b.Grace > 0 {
		spec.StopGracePeriod = &b.Grace
	}
	if b.Check != conformance.NoCheck {
		check := map[conformance.Check]string{conformance.Well: "well", conformance.Sick: "sick"}[b.Check]
		spec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "/fixture", "-check=" + check}, Interval: 100 * time.Millisecond, Retries: 1}
	}
	if b.NoImage {
		spec.Image = "skep/nowhere:1"
	}
	if b.NoProgram {
		spec.Command = []string{"/nothing"}
	}
	task := h.task(spec)
	if b.Port {
		task.Ports = []swarm.PortConfig{{Protocol: "tcp", TargetPort: 80, PublishMode: swarm.PortConfigPublishModeHost}}
	}
	return task
}

func TestConformance(t *testing.T) {
	e := startEngine(t)
	conformance.Run(t, func(t *testing.T) conformance.Harness { return newHarness(t, e) }, func(t *testing.T, f func(*testing.T)) {
		t.Parallel()
		f(t)
	})
}

// run prepares and starts a task that ends with the test.
func run(t *testing.T, e *docker.Executor, task *executor.Task) executor.Container {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	t.Cleanup(func() {
		if err := e.Remove(context.Background(), task.ID); err != nil {
			t.Error(err)
		}
	})
	if _, err := e.Prepare(ctx, task); err != nil {
		t.Fatal(err)
	}
	c, err := e.Start(ctx, task)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
