package registry

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// TestMirror has a registry on one host in docker.io's place, runs an image of it under its own name through the engines'
// registry-mirrors, and when that registry is gone, on a host that never saw the image, and by the mirror's name.
func TestMirror(t *testing.T) {
	hoststest.NeedRoot(t)
	s := &scene{T: t, skep: hoststest.Build(t, "skep"), whoami: hoststest.Build(t, "whoami")}
	plain := filepath.Join(t.TempDir(), "plain")
	if err := engine.BuildStatic(t.Context(), "github.com/skep-org/skep/internal/lab/bench/cmd", plain); err != nil {
		t.Fatal(err)
	}
	subnet := netip.MustParsePrefix("10.107.0.0/24")
	const home = "10.107.0.101:5000" // w1
	s.lab = hoststest.Up(t, hosts.Config{
		Managers: 1, Workers: 2, Subnet: subnet, Program: s.skep, Whoami: s.whoami,
		EngineArgs: []string{"--insecure-registry=" + subnet.String(), "--registry-mirror=http://127.0.0.1:5006"},
		DaemonArgs: []string{"--registry-mirror", "docker.io=http://" + home, "--registry-mirror-addr", "127.0.0.1:5006"},
	})
	ctx, stop := context.WithCancel(t.Context())
	cmd, err := s.lab.Host("w1").Command(ctx, plain, "-plain-registry", home, filepath.Join(t.TempDir(), "files"))
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	end := func() { stop(); _ = cmd.Wait() } // it was killed
	defer end()
	local := s.image("local/hello:1")
	s.on("w1", "docker", "tag", local, home+"/library/hello:1")
	hoststest.Eventually(s, limitOf, func() string {
		if out, err := s.try("w1", "docker", "push", "--quiet", home+"/library/hello:1"); err != nil {
			return out
		}
		return ""
	})

	s.t("an image of docker.io", func() {
		s.on("m1", "docker", "service", "create", "--detach", "--name", "hello", "--constraint", "node.hostname==m1", "hello:1")
		s.running("hello", 1)
	})
	hoststest.Eventually(s, limitOf, func() string {
		if out := s.on("m1", s.skep, "image", "ls"); !strings.Contains(out, registryAddr+"/mirror/docker.io/library/hello:1") {
			return "it is not kept: " + out
		}
		return ""
	})
	end()
	s.t("the same, the registry being gone", func() {
		s.on("m1", "docker", "service", "create", "--detach", "--name", "again", "--constraint", "node.hostname==w2", "hello:1")
		s.running("again", 1)
	})
	s.t("by the mirror's name", func() {
		s.on("m1", "docker", "pull", registryAddr+"/mirror/docker.io/hello:1")
		if out, err := s.try("m1", "docker", "push", registryAddr+"/mirror/docker.io/library/hello:1"); err == nil {
			t.Errorf("a push to a mirror says %s", out)
		}
	})
}
