package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

const (
	registryAddr = "127.0.0.1:5005"
	imageSize    = 24 << 20
	limitOf      = time.Minute // of what happens in a moment, on a machine that does other things too
)

// TestRegistry pushes to a worker, runs the image on every other node, loses that worker for good, and runs it on a node that
// never saw it.
func TestRegistry(t *testing.T) {
	hoststest.NeedRoot(t)
	s := &scene{T: t, skep: hoststest.Build(t, "skep"), whoami: hoststest.Build(t, "whoami")}
	s.lab = hoststest.Up(t, hosts.Config{Managers: 3, Workers: 2, Subnet: netip.MustParsePrefix("10.106.0.0/24"), Program: s.skep, Whoami: s.whoami})
	local := s.image("local/app:1")

	s.t("push", func() {
		out := s.on("w1", s.skep, "image", "push", local, "team/app:1")
		if !strings.HasSuffix(out, registryAddr+"/team/app:1") {
			t.Errorf("skep image push says %q", out)
		}
		if out := s.on("m2", s.skep, "image", "ls"); !strings.Contains(out, registryAddr+"/team/app:1") {
			t.Errorf("another node lists\n%s", out)
		}
	})
	s.t("without skep's socket there is no credential", func() {
		out, err := s.try("w1", "docker", "-H", "unix:///run/docker.sock", "pull", registryAddr+"/team/app:1")
		if err == nil || !strings.Contains(out, "no basic auth credentials") && !strings.Contains(out, "unauthorized") {
			t.Errorf("a pull past skep says %q, %v", out, err)
		}
	})
	s.t("run where it was not pushed to", func() {
		s.on("m1", "docker", "service", "create", "--detach", "--name", "app", "--replicas", "4", "--constraint", "node.hostname!=m3", registryAddr+"/team/app:1")
		s.running("app", 4)
		if spec := s.on("m1", "docker", "service", "inspect", "app", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}}"); !strings.Contains(spec, "@sha256:") {
			t.Errorf("the service's image is %s: its digest was not found", spec)
		}
	})
	s.t("a node that never saw it, without the one it was pushed to", func() {
		if err := s.lab.Host("w1").Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.on("m1", "docker", "service", "create", "--detach", "--name", "late", "--constraint", "node.hostname==m3", registryAddr+"/team/app:1")
		s.running("late", 1)
	})
	s.t("remove and collect", func() {
		s.on("m2", s.skep, "image", "rm", "team/app:1")
		if out := s.on("m1", s.skep, "image", "gc", "--grace", "0s"); !strings.HasPrefix(out, "removed 3 blobs") {
			t.Errorf("skep image gc says %q", out)
		}
		if out, err := s.try("m2", "docker", "pull", registryAddr+"/team/app:1"); err == nil {
			t.Errorf("what was removed is pulled: %s", out)
		}
	})
}

type scene struct {
	*testing.T
	lab          *hosts.Lab
	skep, whoami string
}

func (s *scene) t(name string, f func()) {
	s.Helper()
	began := time.Now()
	f()
	s.Logf("%s: %v", name, time.Since(began).Round(time.Millisecond))
}

// image is one that only w1 has, of a size that takes a moment.
func (s *scene) image(name string) string {
	s.Helper()
	ballast := filepath.Join(s.TempDir(), "ballast")
	f, err := os.Create(ballast)
	if err == nil {
		_, err = io.CopyN(f, rand.Reader, imageSize)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		s.Fatal(err)
	}
	files := []engine.File{{Path: "/whoami", From: s.whoami}, {Path: "/ballast", From: ballast}}
	if _, err := engine.ImportImage(s.Context(), s.lab.Host("w1").Engine(), name, files, `ENTRYPOINT ["/whoami"]`); err != nil {
		s.Fatal(err)
	}
	return name
}

func (s *scene) try(host string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	out, err := s.lab.Host(host).Exec(ctx, args...)
	return strings.TrimSpace(out), err
}

func (s *scene) on(host string, args ...string) string {
	s.Helper()
	out, err := s.try(host, args...)
	if err != nil {
		s.Fatalf("%s: %s: %v\n%s", host, strings.Join(args, " "), err, out)
	}
	return out
}

func (s *scene) running(service string, want int) {
	s.Helper()
	hoststest.Eventually(s, limitOf, func() string {
		list, err := s.lab.Host("m1").Docker().TaskList(s.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", service).Add("desired-state", "running")})
		if err != nil {
			return err.Error()
		}
		n, last := 0, ""
		for _, task := range list.Items {
			if task.Status.State == "running" {
				n++
			} else {
				last = fmt.Sprintf("%s: %s", task.Status.State, task.Status.Err)
			}
		}
		if n != want {
			return fmt.Sprintf("%d of %d tasks of %s run (%s)", n, want, service, last)
		}
		return ""
	})
}
