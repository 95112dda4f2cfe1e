package machines

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/examples/whoami/load"
	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

var workers = flag.Int("workers", 0, "workers besides the three managers; 2 make the cluster of five that is promised to be upgraded without a failed request")

// settleLimit is for waits of which nothing is promised but that they end.
const settleLimit = 2 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scene is bare hosts, and a person at the client with skep and nothing else.
type scene struct {
	*testing.T
	lab          *hosts.Lab
	skep, whoami string
	kept         string // where the person's machines are kept
	home         string // the person's, with nothing in it
}

// TestMachines makes bare hosts a cluster, breaks that off again and again, and upgrades the cluster while it is asked.
func TestMachines(t *testing.T) {
	hoststest.NeedRoot(t)
	s := &scene{T: t, skep: hoststest.Build(t, "skep"), whoami: hoststest.Build(t, "whoami"), kept: filepath.Join(t.TempDir(), "machines"), home: t.TempDir()}
	s.lab = hoststest.Up(t, hosts.Config{Bare: true, Managers: 3, Workers: *workers, Program: s.skep, Whoami: s.whoami})
	steps := []struct {
		name string
		test func(*scene)
	}{
		{"refused", refused}, {"sudo", sudoAsks}, {"broken off", brokenOff}, {"again", again}, {"doctor", doctored}, {"upgrade", upgraded}, {"boot", rebooted}, {"remove", removed},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) {
			began := time.Now()
			sub := *s
			sub.T = t
			step.test(&sub)
			t.Logf("took %.1f s", time.Since(began).Seconds())
		}) {
			s.tellLogs()
			return // what follows needs it
		}
	}
}

// machine runs skep machine at the client. With a line to stop at, the command is killed once it says that.
func (s *scene) machine(stopAt string, args ...string) (out, said string, err error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), settleLimit)
	defer cancel()
	cmd, err := s.lab.Client().Command(ctx, append([]string{s.skep, "machine", "--dir", s.kept}, args...)...)
	s.must(err)
	cmd.Env = append(cmd.Env, "HOME="+s.home, "SSH_AUTH_SOCK=")
	var o strings.Builder
	cmd.Stdout = &o
	progress, err := cmd.StderrPipe()
	s.must(err)
	s.must(cmd.Start())
	var lines []string
	for in := bufio.NewScanner(progress); in.Scan(); {
		lines = append(lines, in.Text())
		s.Log(in.Text())
		if stopAt != "" && strings.Contains(in.Text(), stopAt) {
			cancel()
			break
		}
	}
	_, _ = io.Copy(io.Discard, progress)
	err = cmd.Wait()
	return o.String(), strings.Join(lines, "\n"), err
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// on runs a command on a host that has to succeed.
func (s *scene) on(host string, args ...string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), settleLimit)
	defer cancel()
	out, err := s.lab.Host(host).Exec(ctx, args...)
	s.must(err)
	return out
}

func (s *scene) tellLogs() {
	for _, h := range s.lab.Hosts() {
		for _, name := range []string{"log/skep.log", "log/docker.log", "sshd.log", "boot.log"} {
			data, err := os.ReadFile(filepath.Join(s.lab.Dir(), h.Name, name))
			lines := strings.Split(strings.TrimSpace(string(data)), "\n")
			s.Logf("%s of %s ends (%v):\n%s", name, h.Name, err, strings.Join(lines[max(0, len(lines)-15):], "\n"))
		}
	}
}

// refused: a host whose key is not known is not talked to, and a file with a mistake changes nothing.
func refused(s *scene) {
	_, said, err := s.machine("", "create", "--host", "root@10.77.0.11", "--identity", s.lab.Key(), "--known-hosts", filepath.Join(s.TempDir(), "none"), "m1")
	if err == nil || !strings.Contains(said, "the host is not known") || !strings.Contains(said, "--accept-new-host-key") {
		s.Errorf("an unknown host: %v: %s", err, said)
	}
	_, _, err = s.machine("", "rm", "--force", "m1")
	s.must(err)
	wrong := filepath.Join(s.TempDir(), "wrong.yaml")
	s.must(os.WriteFile(wrong, []byte("machines:\n- {name: m1, host: root@10.77.0.11, roll: manager}\n"), 0o600))
	if _, said, err = s.machine("", "create", "--file", wrong); err == nil || !strings.Contains(said, "roll") {
		s.Errorf("a file with a mistake: %v: %s", err, said)
	}
	if out, _, _ := s.machine("", "ls", "--quiet"); out != "" {
		s.Errorf("what was refused is kept: %s", out)
	}
}

// user makes a login on a host that is let in by the lab's key, with what sudo is told of it.
func (s *scene) user(host, name, sudo string) {
	s.Helper()
	key, err := os.ReadFile(s.lab.Key() + ".pub")
	s.must(err)
	// Not below /home, which is this machine's.
	s.on(host, "sh", "-c", `useradd --create-home --home-dir "/run/home-$1" --shell /bin/bash --password '*' "$1"
echo "$1 $2" >"/etc/sudoers.d/$1"
mkdir "/run/home-$1/.ssh" && echo "$3" >"/run/home-$1/.ssh/authorized_keys" && chown -R "$1" "/run/home-$1/.ssh"`, "user", name, sudo, string(key))
}

// sudoAsks: who has to give sudo a password is told so, and nothing is done there.
func sudoAsks(s *scene) {
	if _, err := exec.LookPath("sudo"); err != nil {
		s.Fatal("the test needs sudo: make setup installs it")
	}
	s.user("m2", "careful", "ALL=(ALL) ALL")
	s.refuses("user careful is not root there, and sudo asks for a password or is missing: log in as root, or allow it without one",
		"create", "--host", "careful@10.77.0.12", "--identity", s.lab.Key(), "--known-hosts", s.lab.KnownHosts(), "m2")
	if got := s.on("m2", "sh", "-c", "ls /usr/bin/skep* 2>/dev/null || true"); got != "" {
		s.Errorf("on a host that was refused there is %s", got)
	}
	s.removes("rm", "--force", "m2")
}

// inventory is the lab's, but that one host lets in a user who is not root, and has sudo without a password.
func (s *scene) inventory() string {
	text, err := os.ReadFile(s.lab.Inventory())
	s.must(err)
	path := filepath.Join(s.home, "machines.yaml")
	s.must(os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "root@10.77.0.12", "admin@10.77.0.12")), 0o600))
	return path
}

// packages stands in for the host's package manager, which no way leads out of a lab for: it brings the engine's program back.
const packages = `#!/bin/sh
echo "$0 $*" >>/var/log/packages.log
case "$*" in *install*docker.io*) mv /usr/local/sbin/dockerd.saved /usr/sbin/dockerd;; esac
`

// brokenOff: the command is killed at one step after the other, and goes on each time. One host has no engine's program.
func brokenOff(s *scene) {
	s.user("m2", "admin", "ALL=(ALL) NOPASSWD: ALL")
	inventory := s.inventory()
	s.on("m2", "sh", "-c", `mv /usr/sbin/dockerd /usr/local/sbin/dockerd.saved
for p in apt-get dpkg; do cat >/usr/local/bin/$p <<'EOF'
`+packages+`EOF
chmod 755 /usr/local/bin/$p; done`)
	for _, at := range []string{"m1: copy skep", "m2: install the Docker Engine", "m1: start skep", "m1: found the cluster", "m2: join as manager: done"} {
		if _, said, err := s.machine(at, "create", "--file", inventory); err == nil && !strings.Contains(said, at) {
			s.Fatalf("the command was to be killed at %q, which it did not come to:\n%s", at, said)
		}
	}
	if _, said, err := s.machine("", "create", "--file", inventory); err != nil {
		s.Fatalf("%v: %s", err, said)
	}
	if got := s.on("m2", "cat", "/var/log/packages.log"); !strings.Contains(got, "apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends docker.io") {
		s.Errorf("the engine was installed by %s", got)
	}
	if got := s.on("m1", "sh", "-c", "ls /var/log/packages.log 2>/dev/null || true"); got != "" {
		s.Error("m1 had an engine, and was given one")
	}
	s.whole(len(s.lab.Hosts()))
}

// whole waits until every node is ready, and every manager reachable.
func (s *scene) whole(n int) {
	s.Helper()
	hoststest.Eventually(s, settleLimit, func() string {
		got := s.on("m1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}")
		if strings.Count(got, " Ready") != n || strings.Count(got, " Leader")+strings.Count(got, " Reachable") != n-*workers {
			return got
		}
		return ""
	})
}

// again: a second run does nothing, and the commands that look show a cluster.
func again(s *scene) {
	_, said, err := s.machine("", "create", "--file", s.inventory())
	s.must(err)
	s.onlyLooked(said)
	out, _, err := s.machine("", "ls")
	s.must(err)
	s.Logf("\n%s", out)
	if strings.Count(out, "Ready") != len(s.lab.Hosts()) || strings.Count(out, "Leader") != 1 {
		s.Errorf("skep machine ls says:\n%s", out)
	}
	if out, _, err = s.machine("", "ssh", "m2", "hostname; exit 7"); out != "m2\n" || err == nil || !strings.Contains(err.Error(), "7") {
		s.Errorf("skep machine ssh says %q: %v", out, err)
	}
}

// onlyLooked: a run has done nothing but look.
func (s *scene) onlyLooked(said string) {
	s.Helper()
	for line := range strings.Lines(said) {
		if strings.Contains(line, "done") && !strings.Contains(line, "check the host") {
			s.Errorf("a second run does %s", line)
		}
	}
}

// doctored: a node that is well has nothing wrong; what is broken on it is found, with what mends it.
func doctored(s *scene) {
	s.Logf("\n%s", s.on("m1", "/usr/bin/skep", "doctor"))
	s.on("m1", "sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward")
	out, err := s.lab.Host("m1").Exec(s.Context(), "/usr/bin/skep", "doctor")
	if err == nil || !strings.Contains(out, "sysctl -w net.ipv4.ip_forward=1") {
		s.Errorf("%v: %s", err, out)
	}
	s.on("m1", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
}

// newer is the same program with another sum: bytes behind a program's end are nothing to it.
func (s *scene) newer() string {
	text, err := os.ReadFile(s.skep)
	s.must(err)
	path := filepath.Join(s.TempDir(), "skep")
	s.must(os.WriteFile(path, append(text, "newer"...), 0o755))
	return path
}

// upgraded: while clients ask a published port of every node, all go over to another program. No request fails, no
// container ends.
func upgraded(s *scene) {
	var targets []string
	for _, h := range s.lab.Hosts() {
		s.must(h.LoadImages(s.Context()))
		targets = append(targets, fmt.Sprintf("http://%s:8080/who", h.Address))
	}
	s.on("m1", "docker", "service", "create", "--detach", "--name", "web", "--replicas", fmt.Sprint(2*len(targets)), "--publish", "8080:8080", hosts.WhoamiImage)
	hoststest.Eventually(s, settleLimit, func() string {
		if n := len(s.containers()); n != 2*len(targets) {
			return fmt.Sprintf("%d containers run", n)
		}
		if r := s.ask(targets); r.Failures > 0 {
			return r.String()
		}
		return ""
	})
	before := s.containers()
	ended := s.asking(targets)
	_, said, err := s.machine("", "upgrade", "--program", s.newer())
	report := ended()
	s.Logf("%v", report)
	s.must(err)
	if report.Failures > 0 || report.Requests < 500 {
		s.Errorf("%v", report)
	}
	if after := s.containers(); !slices.Equal(before, after) {
		s.Errorf("containers before: %v, after: %v", before, after)
	}
	var order []string
	for line := range strings.Lines(said) {
		if name, ok := strings.CutSuffix(strings.TrimSpace(line), ": restart skep"); ok {
			order = append(order, name)
		}
	}
	if len(order) != len(targets) || !slices.IsSortedFunc(order, func(a, b string) int { return strings.Compare(b[:1], a[:1]) }) {
		s.Errorf("the nodes were restarted in the order %v", order)
	}
	if _, said, err := s.machine("", "upgrade", "--program", s.newer()); err != nil || !strings.Contains(said, "run this skep already") {
		s.Errorf("again: %v: %s", err, said)
	}
}

// containers are all that run, with when they were started.
func (s *scene) containers() []string {
	s.Helper()
	var all []string
	for _, h := range s.lab.Hosts() {
		list, err := h.Engine().ContainerList(s.Context(), client.ContainerListOptions{})
		s.must(err)
		for _, c := range list.Items {
			one, err := h.Engine().ContainerInspect(s.Context(), c.ID, client.ContainerInspectOptions{})
			s.must(err)
			all = append(all, h.Name+" "+c.ID+" "+one.Container.State.StartedAt)
		}
	}
	slices.Sort(all)
	return all
}

// ask asks every target once.
func (s *scene) ask(targets []string) *load.Report {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), settleLimit)
	defer cancel()
	cmd, err := s.lab.Client().Command(ctx, append([]string{s.whoami, "load", "-count", "1", "-timeout", "3s"}, targets...)...)
	s.must(err)
	out, err := cmd.Output()
	s.must(err)
	r := &load.Report{}
	s.must(json.Unmarshal(out, r))
	return r
}

// asking asks all targets in turn, 200 times a second, until ended is called.
func (s *scene) asking(targets []string) (ended func() *load.Report) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	s.Cleanup(cancel)
	cmd, err := s.lab.Client().Command(ctx, append([]string{s.whoami, "load", "-stdin", "-rate", "200", "-timeout", "5s"}, targets...)...)
	s.must(err)
	var out strings.Builder
	cmd.Stdout = &out
	in, err := cmd.StdinPipe()
	s.must(err)
	s.must(cmd.Start())
	return func() *load.Report {
		_ = in.Close()
		s.must(cmd.Wait())
		r := &load.Report{}
		s.must(json.Unmarshal([]byte(out.String()), r))
		return r
	}
}

// rebooted: a host starts its engine and skep by itself when it boots.
func rebooted(s *scene) {
	last := s.lab.Hosts()[len(s.lab.Hosts())-1]
	s.must(last.Kill(s.Context()))
	s.must(last.Start(s.Context()))
	hoststest.Eventually(s, settleLimit, func() string {
		// The managers may not have missed it yet: what it says itself counts.
		got, err := last.Exec(s.Context(), "docker", "info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}")
		if want := fmt.Sprintf("active %v", last.Role == hosts.Manager); err != nil || got != want {
			return fmt.Sprintf("%s: %v", got, err)
		}
		return ""
	})
	s.whole(len(s.lab.Hosts()))
}

// nothingLeft: of skep there is no program, no data, no process, and nothing in the kernel's network; of the cluster the engine
// has nothing. Files are patterns of what starts it.
func (s *scene) nothingLeft(host, files string) {
	s.Helper()
	left := s.on(host, "sh", "-c", `ls -d /usr/bin/skep* /var/lib/skep/* /run/skep* `+files+` 2>/dev/null
grep ' /run/skep' /proc/mounts
ip -brief link | grep skep
nft list tables | grep skep
iptables-save | grep skep
pgrep -x skep | grep -vx 1
export DOCKER_HOST=unix:///run/docker.sock
docker ps --all --quiet --filter label=com.docker.swarm.task.id
docker network ls --quiet --filter driver=overlay
true`)
	if left != "" {
		s.Errorf("left on %s:\n%s", host, left)
	}
}

// sysvFiles are what starts skep on a host without systemd.
const sysvFiles = "/etc/init.d/skep /etc/rc?.d/*skep"

// removed: what would cost the majority is refused, a host that is gone is removed by force only, and a manager that answers is
// demoted, leaves, and has nothing of skep left. The last one goes by force.
func removed(s *scene) {
	s.must(s.lab.Host("m3").Kill(s.Context()))
	s.refuses("m3 cannot be reached, and was not removed; --force", "rm", "m3")
	hoststest.Eventually(s, settleLimit, func() string {
		got := s.on("m1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}")
		if !strings.Contains(got, "m3 Unreachable") {
			return got
		}
		return ""
	})
	s.refuses("without m2 the managers would lose their majority, since m3 cannot be reached", "rm", "m2")
	s.removes("rm", "--force", "m3")
	s.whole(len(s.lab.Hosts()) - 1)
	s.removes("rm", "m2")
	s.nothingLeft("m2", sysvFiles)
	s.whole(len(s.lab.Hosts()) - 2)
	s.refuses("no other manager among the machines answers: --force", "rm", "m1")
	s.removes("rm", "--force", "m1")
	s.nothingLeft("m1", sysvFiles)
}

// refuses: the command fails and says why, in one sentence.
func (s *scene) refuses(why string, args ...string) {
	s.Helper()
	if _, said, err := s.machine("", args...); err == nil || !strings.Contains(said, why) {
		s.Errorf("%v: %v, and does not say %q: %s", args, err, why, said)
	}
}

// removes: the machine is not kept any more.
func (s *scene) removes(args ...string) {
	s.Helper()
	if _, said, err := s.machine("", args...); err != nil {
		s.Fatalf("%v: %v: %s", args, err, said)
	}
	name := args[len(args)-1]
	if out, _, _ := s.machine("", "ls", "--quiet"); strings.Contains(out, name) {
		s.Errorf("%s is kept: %s", name, out)
	}
}
