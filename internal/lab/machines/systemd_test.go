package machines

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// TestSystemd makes two hosts that boot systemd a cluster, by the lab's driver, and has systemd do what the unit promises.
func TestSystemd(t *testing.T) {
	hoststest.NeedRoot(t)
	s := &scene{T: t, skep: hoststest.Build(t, "skep"), whoami: hoststest.Build(t, "whoami"), kept: filepath.Join(t.TempDir(), "machines")}
	s.lab = hoststest.Up(t, hosts.Config{Systemd: true, Managers: 1, Workers: 1, Program: s.skep, Whoami: s.whoami})
	steps := []struct {
		name string
		test func(*scene)
	}{
		{"own root", ownRoot}, {"create", unitMade}, {"killed", unitKilled}, {"upgrade", unitUpgraded}, {"boot", unitBooted}, {"remove", unitRemoved},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) {
			sub := *s
			sub.T = t
			step.test(&sub)
		}) {
			s.tellJournals()
			return // what follows needs it
		}
	}
}

// local runs skep machine on this machine, which the lab's driver needs no way from to the hosts.
func (s *scene) local(args ...string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), settleLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, s.skep, append([]string{"machine", "--dir", s.kept}, args...)...).CombinedOutput()
	s.Logf("skep machine %s\n%s", strings.Join(args, " "), out)
	s.must(err)
	return string(out)
}

func (s *scene) tellJournals() {
	for _, h := range s.lab.Hosts() {
		out, err := h.Exec(context.WithoutCancel(s.Context()), "journalctl", "--no-pager", "-n", "30")
		s.Logf("the journal of %s ends (%v):\n%s", h.Name, err, out)
	}
}

// shows waits until systemd says so of a unit.
func (s *scene) shows(host, unit string, want map[string]string) {
	s.Helper()
	hoststest.Eventually(s, settleLimit, func() string {
		for property, value := range want {
			if got := s.on(host, "systemctl", "show", "--property", property, "--value", unit); got != value {
				return fmt.Sprintf("%s of %s on %s is %q, not %q", property, unit, host, got, value)
			}
		}
		return ""
	})
}

// member waits until the host is in the cluster, by itself and by the manager.
func (s *scene) member(host string) {
	s.Helper()
	hoststest.Eventually(s, settleLimit, func() string {
		got, err := s.lab.Host("m1").Exec(s.Context(), "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
		if err != nil || !strings.Contains(got, host+" Ready") {
			return fmt.Sprintf("%s: %v", got, err)
		}
		return ""
	})
}

// running is the unit's main process, which systemd has started when it was told that it is ready.
func running() map[string]string {
	return map[string]string{"ActiveState": "active", "SubState": "running", "UnitFileState": "enabled", "Type": "notify"}
}

// ownRoot: what a host with systemd writes anywhere is not this machine's, which systemd's own housekeeping would empty.
func ownRoot(s *scene) {
	name := filepath.Base(filepath.Dir(s.lab.Dir())) // nobody else's
	for _, dir := range []string{"/", "/tmp", "/var/tmp", "/var/lib", "/etc", "/usr/lib", "/root", "/home", "/srv", "/opt", "/dev", "/run"} {
		path := filepath.Join(dir, name+".mark")
		s.on("m1", "sh", "-c", "mkdir -p $(dirname "+path+") && touch "+path)
		if _, err := os.Lstat(path); err == nil {
			s.Errorf("a host with systemd has written %s of this machine", path)
		}
	}
	if got := s.on("m1", "sh", "-c", "for f in fs/file-max kernel/panic vm/swappiness; do cat /proc/sys/$f >/proc/sys/$f && echo $f; done 2>/dev/null; true"); got != "" {
		s.Errorf("a host with systemd can set %s of this machine's kernel", got)
	}
}

func unitMade(s *scene) {
	if got := s.on("m1", "systemctl", "is-system-running", "--wait"); got != "running" {
		s.Fatalf("systemd on a bare host is %s", got)
	}
	var file strings.Builder
	fmt.Fprintf(&file, "defaults: {driver: lab, lab-dir: %s}\nmachines:\n", s.lab.Dir())
	for _, h := range s.lab.Hosts() {
		fmt.Fprintf(&file, "- {name: %s, host: %s, role: %s}\n", h.Name, h.Name, h.Role)
	}
	path := filepath.Join(s.TempDir(), "machines.yaml")
	s.must(os.WriteFile(path, []byte(file.String()), 0o600))
	s.local("create", "--file", path)
	for _, h := range s.lab.Hosts() {
		s.shows(h.Name, "skep.service", running())
		s.shows(h.Name, "docker.service", map[string]string{"ActiveState": "active", "UnitFileState": "enabled"})
		s.member(h.Name)
	}
	s.onlyLooked(s.local("create", "--file", path))
	if out := s.local("ssh", "w1", "echo", "$HOME;", "docker", "info", "--format", "{{.Swarm.LocalNodeState}}"); out != "/root\ninactive\n" {
		s.Errorf("a command on a machine says %q, and is to talk to the engine", out)
	}
}

// unitKilled: a daemon that is killed is started again, and no container ends.
func unitKilled(s *scene) {
	for _, h := range s.lab.Hosts() {
		s.must(h.LoadImages(s.Context()))
	}
	s.on("m1", "docker", "service", "create", "--detach", "--name", "web", "--mode", "global", hosts.WhoamiImage)
	var before []string
	hoststest.Eventually(s, settleLimit, func() string {
		if before = s.containers(); len(before) != len(s.lab.Hosts()) {
			return fmt.Sprintf("%d containers run", len(before))
		}
		return ""
	})
	pid := s.on("w1", "systemctl", "show", "--property", "MainPID", "--value", "skep.service")
	s.on("w1", "kill", "-KILL", pid)
	s.shows("w1", "skep.service", map[string]string{"NRestarts": "1", "ActiveState": "active", "SubState": "running"})
	s.member("w1")
	if after := s.containers(); !slices.Equal(before, after) {
		s.Errorf("containers before: %v, after: %v", before, after)
	}
}

func unitUpgraded(s *scene) {
	before := s.containers()
	s.local("upgrade", "--program", s.newer())
	for _, h := range s.lab.Hosts() {
		s.shows(h.Name, "skep.service", running())
		s.member(h.Name)
	}
	if after := s.containers(); !slices.Equal(before, after) {
		s.Errorf("containers before: %v, after: %v", before, after)
	}
}

// unitBooted: after a shutdown and a start all is there again, by itself; the engine has what it had.
func unitBooted(s *scene) {
	for _, h := range s.lab.Hosts() {
		id := s.on(h.Name, "docker", "-H", "unix:///run/docker.sock", "info", "--format", "{{.ID}}")
		began := time.Now()
		s.must(h.Stop(s.Context()))
		down := time.Since(began)
		s.must(h.Start(s.Context()))
		s.shows(h.Name, "skep.service", running())
		s.member(h.Name)
		s.Logf("%s was down after %.1f s and back after %.1f s", h.Name, down.Seconds(), time.Since(began).Seconds())
		if got := s.on(h.Name, "docker", "-H", "unix:///run/docker.sock", "info", "--format", "{{.ID}}"); got != id {
			s.Errorf("%s has another engine than before", h.Name)
		}
	}
	hoststest.Eventually(s, settleLimit, func() string {
		if n := len(s.containers()); n != len(s.lab.Hosts()) {
			return fmt.Sprintf("%d containers run", n)
		}
		return ""
	})
}

func unitRemoved(s *scene) {
	s.local("rm", "w1")
	s.nothingLeft("w1", "/etc/systemd/system/*skep* /etc/systemd/system/*/*skep*")
	if got := s.on("w1", "systemctl", "list-units", "--all", "--no-legend", "skep*"); got != "" {
		s.Errorf("systemd on w1 still knows of %s", got)
	}
	s.shows("w1", "docker.service", map[string]string{"ActiveState": "active"})
}
