package volumes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/volume"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// command: cluster volumes by the docker command: made with all there is to say of them, listed beside the engine's, used by
// name and by group, with a secret for the driver and zones; paused, drained and removed.
func command(t *testing.T, p programs) {
	needDocker(t)
	s := newScene(t, p, hosts.Config{Managers: 1, Workers: 1}, func(host string) []string { return []string{"-secret", "hush", "-zone", "of-" + host} })
	c := s.client("m1")
	secret := filepath.Join(t.TempDir(), "password")
	s.must(os.WriteFile(secret, []byte("hush"), 0o600))
	s.say("m1", "secret", "create", "password", secret)
	create := []string{"volume", "create", "--driver", "test", "--type", "mount", "--secret", "password=password"}
	s.say("m1", append(create, "--scope", "single", "--sharing", "none", "--required-bytes", "1048576", "--label", "tier=db",
		"--topology-required", "zone=of-w1", "--topology-preferred", "zone=of-w1", "--group", "dbs", "--opt", "x=y", "data")...)
	handle := s.created(c, "data")
	v, err := s.volume(c, "data")
	s.must(err)
	if cv := v.ClusterVolume; v.Scope != "global" || v.Driver != "test" || v.Labels["tier"] != "db" || v.Options["x"] != "y" || cv.Spec.Group != "dbs" ||
		cv.Info.CapacityBytes != 1<<20 || len(cv.Info.AccessibleTopology) != 1 || cv.Spec.AccessMode.Sharing != volume.SharingNone {
		t.Errorf("the volume is %+v, %+v", v, cv)
	}
	s.say("m1", "volume", "create", "own") // the engine's
	if out := s.say("m1", "volume", "ls", "--format", "{{.Driver}} {{.Name}}"); !strings.Contains(out, "local own") || !strings.Contains(out, "test data") {
		t.Errorf("docker volume ls says %s", out)
	}
	if out := s.say("m1", "volume", "ls", "--cluster"); strings.Contains(out, "own") || !strings.Contains(out, "data") {
		t.Errorf("docker volume ls --cluster says %s", out)
	}
	if out := s.say("m1", "volume", "inspect", "own"); strings.Contains(out, "ClusterVolume") {
		t.Errorf("the engine's volume is %s", out)
	}
	s.say("m1", "volume", "rm", "own")
	s.refuses("secret 'password' is in use by cluster volume data", "secret", "rm", "password")
	s.refuses("volume data already exists", append(create, "data")...)
	s.refuses("not found", "volume", "inspect", "nothing")

	service := []string{"service", "create", "--detach", "--name", "ledger", "--mount", "type=cluster,source=group:dbs,target=/data", "--stop-grace-period", "1s"}
	s.say("m1", append(service, ledgerImage, "-ledger", "/data/ledger")...)
	s.goesOn(c, "m1", handle)
	if on := s.runsOn(c, "ledger"); on != "w1" {
		t.Errorf("the service runs on %s, its volume is reached from w1", on)
	}
	s.refuses("volume is still in use", "volume", "rm", "data")
	second := []string{"service", "create", "--detach", "--name", "second", "--mount", "type=cluster,source=data,target=/data"}
	s.say("m1", append(second, hosts.WhoamiImage)...)
	s.waits("second", "volume data is in use by another task")
	s.say("m1", "service", "rm", "second")

	s.say("m1", "volume", "update", "--availability", "drain", "data")
	s.waits("ledger", "volume data is drained")
	s.eventually(settleLimit, func() string {
		v, err := s.volume(c, "data")
		if err != nil || len(v.ClusterVolume.PublishStatus) > 0 {
			return "it is still published: " + tell(v, err)
		}
		return ""
	})
	s.say("m1", "volume", "update", "--availability", "active", "data")
	s.goesOn(c, "m1", handle)
	s.say("m1", "service", "rm", "ledger")
	s.eventually(settleLimit, func() string {
		if _, err := s.docker("m1", "volume", "rm", "data"); err != nil {
			return err.Error()
		}
		return ""
	})
	s.eventually(settleLimit, func() string {
		if out := s.say("m1", "volume", "ls", "--cluster", "--quiet"); out != "" {
			return "there is still " + out
		}
		return ""
	})
	s.say("m1", "secret", "rm", "password")
	s.clean()
}

// mistakes: what cannot be is refused or said in words, and can be removed.
func mistakes(t *testing.T, p programs) {
	needDocker(t)
	s := newScene(t, p, hosts.Config{Managers: 1}, func(string) []string { return nil })
	c := s.client("m1")
	s.refuses("a cluster volume needs a CSI driver", "volume", "create", "--type", "mount", "v")
	s.say("m1", "volume", "create", "--driver", "nosuch", "--type", "mount", "typo")
	s.eventually(settleLimit, func() string {
		v, err := s.volume(c, "typo")
		if said, _ := v.Status["driver"].(string); !strings.Contains(said, `CSI driver "nosuch" not found`) {
			return tell(v, err)
		}
		return ""
	})
	s.say("m1", "volume", "create", "--driver", "test", "--type", "mount", "--opt", "refuse=the pool is full", "full")
	s.eventually(settleLimit, func() string {
		v, err := s.volume(c, "full")
		if said, _ := v.Status["driver"].(string); !strings.Contains(said, "the pool is full") {
			return tell(v, err)
		}
		return ""
	})
	s.say("m1", "service", "create", "--detach", "--name", "waits", "--mount", "type=cluster,source=full,target=/data", hosts.WhoamiImage)
	s.waits("waits", "volume full has not been created yet")
	s.say("m1", "service", "rm", "waits")
	s.say("m1", "volume", "rm", "typo", "full")
	s.eventually(settleLimit, func() string {
		if out := s.say("m1", "volume", "ls", "--cluster", "--quiet"); out != "" {
			return "there is still " + out
		}
		return ""
	})
	s.clean()
}

// refuses runs a docker command that has to fail with this text.
func (s *scene) refuses(text string, args ...string) {
	s.Helper()
	if out, err := s.docker("m1", args...); err == nil || !strings.Contains(strings.ToLower(out), strings.ToLower(text)) {
		s.Errorf("docker %s says %q, %v; wanted %q", strings.Join(args, " "), out, err, text)
	}
}

// waits until a service's task says that it waits for something.
func (s *scene) waits(service, reason string) {
	s.Helper()
	s.eventually(settleLimit, func() string {
		if said := s.why("m1", service); !strings.Contains(said, reason) {
			return said
		}
		return ""
	})
}
