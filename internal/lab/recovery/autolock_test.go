package recovery

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// everywhere is a cluster of three managers and some workers, with a task on each.
func everywhere(t *testing.T, workers int, subnet string) *scene {
	t.Helper()
	hoststest.NeedRoot(t)
	s := &scene{T: t, skep: hoststest.Build(t, "skep"), dir: t.TempDir()}
	s.lab = hoststest.Up(t, hosts.Config{Managers: 3, Workers: workers, Subnet: netip.MustParsePrefix(subnet), Program: s.skep})
	s.docker("m1", "service", "create", "--detach", "--name", "web", "--mode", "global", hosts.WhoamiImage)
	s.eventually(60*time.Second, func() string { return s.runs("web", 3+workers) })
	return s
}

// TestAutolock locks the managers of a running cluster, restarts them, rotates the key while one is off, and unlocks each.
// No task is started anew by any of it, but that of the manager which is restarted again and again until it is locked: a
// daemon that ends before it is back in its session has said nothing of coming back.
func TestAutolock(t *testing.T) {
	s := everywhere(t, 1, "10.104.0.0/24")
	before := s.tasks()

	s.docker("m1", "swarm", "update", "--autolock=true")
	first := s.docker("m2", "swarm", "unlock-key", "-q")
	s.t("a manager that is restarted is locked, and the cluster works", func() {
		s.restart("m2", "locked")
		if after := s.webOn("m2"); !slices.Contains(before, after) {
			t.Errorf("the locked manager runs %s, the tasks were\n%s", after, strings.Join(before, "\n"))
		}
		s.refuses("m2")
		s.docker("m2", "ps", "--quiet")
		s.docker("m1", "service", "create", "--detach", "--name", "meanwhile", "--constraint", "node.role==worker", hosts.WhoamiImage)
		s.eventually(60*time.Second, func() string { return s.runs("meanwhile", 1) })
		s.unlock("m2", first)
	})
	var second string
	s.t("the key is rotated while a manager is off", func() {
		if err := s.lab.Host("m3").Hold(hosts.Daemon, true); err != nil {
			t.Fatal(err)
		}
		s.signal("m3")
		second = s.docker("m1", "swarm", "unlock-key", "--rotate", "-q")
		if second == first || !strings.HasPrefix(second, "SWMKEY-1-") {
			t.Fatalf("the key was %s, is %s", first, second)
		}
		if err := s.lab.Host("m3").Hold(hosts.Daemon, false); err != nil {
			t.Fatal(err)
		}
		s.eventually(30*time.Second, func() string { return s.state("m3", "locked") })
		s.wrongKey("m3", second) // it has not heard of the rotation
		s.unlock("m3", first)
		s.eventually(30*time.Second, func() string { return s.lockedBy("m3", second, first) })
	})
	s.t("locking is switched off", func() {
		s.docker("m3", "swarm", "update", "--autolock=false")
		s.eventually(30*time.Second, func() string {
			s.signal("m2")
			time.Sleep(time.Second)
			if wrong := s.state("m2", "active"); wrong != "" {
				_, _ = s.tryUnlock("m2", second) // it had not heard of it yet
				return wrong
			}
			return ""
		})
	})
	s.eventually(60*time.Second, func() string { return s.reachable("m2") })
	ofM2 := func(line string) bool { return strings.Contains(line, "m2") }
	before = slices.DeleteFunc(before, ofM2)
	if after := slices.DeleteFunc(s.tasks(), ofM2); !slices.Equal(before, after) {
		s.logs()
		t.Errorf("the tasks were\n%s\nand are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	s.t("a locked manager leaves", func() {
		s.docker("m1", "swarm", "update", "--autolock=true")
		s.restart("m3", "locked")
		if out, err := s.try("m3", "docker", "swarm", "leave"); err == nil || !strings.Contains(out, "Swarm is encrypted and locked") {
			t.Errorf("a locked manager that is to leave says %q, %v", out, err)
		}
		s.docker("m3", "swarm", "leave", "--force")
		if wrong := s.state("m3", "inactive"); wrong != "" {
			t.Error(wrong)
		}
	})
}

// tasks are the tasks that are to run, by their containers.
func (s *scene) tasks() []string {
	s.Helper()
	list := strings.Split(s.docker("m1", "service", "ps", "web", "--filter", "desired-state=running", "--format", "{{.ID}} {{.Node}}"), "\n")
	for _, host := range s.lab.Hosts() {
		list = append(list, s.webOn(host.Name))
	}
	slices.Sort(list)
	return list
}

// webOn is the container of the service on a host.
func (s *scene) webOn(host string) string {
	s.Helper()
	return host + " " + s.on(host, "docker", "ps", "--filter", "label=com.docker.swarm.service.name=web", "--format", "{{.ID}} {{.Names}}")
}

func (s *scene) signal(host string) {
	s.Helper()
	if err := s.lab.Host(host).Signal(s.Context(), hosts.Daemon, syscall.SIGTERM); err != nil {
		s.Fatal(err)
	}
}

// restart restarts a daemon until it comes back in a state: it may not have heard of a change yet.
func (s *scene) restart(host, want string) {
	s.Helper()
	s.eventually(60*time.Second, func() string {
		s.signal(host)
		time.Sleep(time.Second)
		return s.state(host, want)
	})
}

func (s *scene) state(host, want string) string {
	out, err := s.try(host, "docker", "info", "--format", "{{.Swarm.LocalNodeState}}")
	if err != nil || out != want {
		return fmt.Sprintf("%s is %q, %v", host, out, err)
	}
	return ""
}

// refuses tries what a locked manager does not answer.
func (s *scene) refuses(host string) {
	s.Helper()
	for _, args := range [][]string{{"node", "ls"}, {"service", "ls"}, {"swarm", "unlock-key"}, {"swarm", "update", "--autolock=false"}} {
		out, err := s.try(host, append([]string{"docker"}, args...)...)
		if err == nil || !strings.Contains(out, "Swarm is encrypted and needs to be unlocked before it can be used") {
			s.Errorf("docker %s says %q, %v", strings.Join(args, " "), out, err)
		}
	}
	s.wrongKey(host, "SWMKEY-1-"+strings.Repeat("A", 43))
	if out, err := s.tryUnlock(host, "no key"); err == nil || !strings.Contains(out, "invalid key string") {
		s.Errorf("what is no key: %q, %v", out, err)
	}
}

func (s *scene) tryUnlock(host, key string) (string, error) {
	return s.try(host, "sh", "-c", fmt.Sprintf("echo '%s' | docker swarm unlock", key))
}

func (s *scene) wrongKey(host, key string) {
	s.Helper()
	if out, err := s.tryUnlock(host, key); err == nil || !strings.Contains(out, "swarm could not be unlocked: invalid key provided") {
		s.Errorf("another key: %q, %v", out, err)
	}
}

func (s *scene) unlock(host, key string) {
	s.Helper()
	if out, err := s.tryUnlock(host, key); err != nil {
		s.logs()
		s.Fatalf("%s: %v", out, err)
	}
	s.eventually(60*time.Second, func() string { return s.reachable(host) })
}

// lockedBy restarts a daemon and unlocks it with the key of now, or says that it still has the one before.
func (s *scene) lockedBy(host, now, old string) string {
	s.signal(host)
	time.Sleep(time.Second)
	if wrong := s.state(host, "locked"); wrong != "" {
		return wrong
	}
	if out, err := s.tryUnlock(host, now); err != nil {
		_, _ = s.tryUnlock(host, old)
		return out
	}
	return s.reachable(host)
}
