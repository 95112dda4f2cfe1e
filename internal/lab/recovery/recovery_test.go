package recovery

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// scene is three managers and a worker, with the program that is on all of them.
type scene struct {
	*testing.T
	lab  *hosts.Lab
	skep string
	dir  string // for backups; hosts see the machine's files
}

// TestLostManagers loses two of three managers for good, goes on with the third, loses that too, and restores a backup.
func TestLostManagers(t *testing.T) {
	hoststest.NeedRoot(t)
	s := &scene{T: t, skep: hoststest.Build(t, "skep"), dir: t.TempDir()}
	s.lab = hoststest.Up(t, hosts.Config{Managers: 3, Workers: 1, Subnet: netip.MustParsePrefix("10.93.0.0/24"), Program: s.skep})
	s.docker("m1", "service", "create", "--detach", "--name", "web", "--replicas", "2", "--constraint", "node.role==worker", hosts.WhoamiImage)
	s.eventually(60*time.Second, func() string { return s.runs("web", 2) })
	before := s.containers("w1")
	s.t("backup on a manager that does not lead", func() {
		s.backup("m2", "plain.backup")
		s.backup("m3", "sealed.backup", "--passphrase-file", s.secret())
		if out, err := s.try("w1", s.skep, "backup", s.file("worker.backup")); err == nil || !strings.Contains(out, "not a swarm manager") {
			t.Errorf("a worker that is asked for a backup says %q, %v", out, err)
		}
	})
	s.docker("m1", "service", "create", "--detach", "--name", "later", "--constraint", "node.role==worker", hosts.WhoamiImage)
	s.eventually(60*time.Second, func() string { return s.runs("later", 1) })
	withLater := s.containers("w1")

	s.t("force-new-cluster", func() { s.forceNewCluster(withLater) })
	s.t("restore", func() { s.restore(withLater, before) })
}

func (s *scene) t(name string, step func()) {
	s.Helper()
	began := time.Now()
	step()
	s.Logf("%s: %s", name, time.Since(began).Round(10*time.Millisecond))
}

// forceNewCluster goes on with m1 when m2 and m3 are gone.
func (s *scene) forceNewCluster(before []string) {
	for _, name := range []string{"m2", "m3"} {
		if err := s.lab.Host(name).Kill(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
	if out, err := s.try("w1", "docker", "swarm", "init", "--force-new-cluster"); err == nil || !strings.Contains(out, "worker") {
		s.Errorf("a worker that is to begin anew says %q, %v", out, err)
	}
	node := s.docker("m1", "info", "--format", "{{.Swarm.NodeID}}")
	s.on("m1", "docker", "swarm", "init", "--force-new-cluster")
	if got := s.docker("m1", "info", "--format", "{{.Swarm.NodeID}}"); got != node {
		s.Errorf("the node was %s, is %s", node, got)
	}
	s.eventually(30*time.Second, func() string { return s.ready("w1") })
	s.same(before)
	s.docker("m1", "service", "scale", "--detach", "web=3")
	s.eventually(60*time.Second, func() string { return s.runs("web", 3) })
	s.same(before)
	s.oldMajority(before)
	// m2 was not lost after all: without m3 it gives up the state it had and learns that of the new cluster.
	s.on("m3", "docker", "swarm", "leave", "--force")
	s.eventually(60*time.Second, func() string { return s.removed("m3") })
	s.eventually(60*time.Second, func() string { return s.reachable("m2") })
	s.eventually(30*time.Second, func() string {
		if got, err := s.try("m2", "docker", "service", "ls", "--filter", "name=web", "--format", "{{.Replicas}}"); err != nil || got != "3/3" {
			return fmt.Sprintf("m2 says web has %s: %v", got, err)
		}
		return ""
	})
	s.docker("m1", "service", "scale", "--detach", "web=2")
	s.eventually(60*time.Second, func() string { return s.runs("web", 2) })
}

// oldMajority brings the lost managers back together: they go on among themselves, and the new cluster does not notice.
func (s *scene) oldMajority(before []string) {
	for _, name := range []string{"m2", "m3"} {
		if err := s.lab.Host(name).Start(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
	s.eventually(60*time.Second, func() string {
		if _, err := s.try("m2", "docker", "node", "ls"); err != nil {
			return "the old managers have no leader: " + err.Error()
		}
		return ""
	})
	for range 5 {
		name := "during-" + strconv.Itoa(time.Now().Nanosecond())
		s.docker("m1", "service", "create", "--detach", "--name", name, "--constraint", "node.role==worker", hosts.WhoamiImage)
		s.eventually(30*time.Second, func() string { return s.runs(name, 1) })
		s.docker("m1", "service", "rm", name)
		if out := s.docker("m1", "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}"); !strings.Contains(out, "m1 Ready Leader") || !strings.Contains(out, "w1 Ready") {
			s.Errorf("beside the old managers the new cluster's nodes are %s", out)
		}
	}
	s.same(before)
}

// restore loses the last manager's data and brings a backup back that does not know the service "later".
func (s *scene) restore(withLater, before []string) {
	m1 := s.lab.Host("m1")
	s.eventually(30*time.Second, func() string { // the third of web has left
		if n := len(s.containers("w1")); n != len(withLater) {
			return fmt.Sprintf("%d containers", n)
		}
		return ""
	})
	present := s.containers("w1")
	for _, h := range []*hosts.Host{m1, s.lab.Host("m2")} {
		if err := h.Kill(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(s.lab.Dir(), "m1", "skep", "swarm")); err != nil {
		s.Fatal(err)
	}
	if err := m1.Start(s.Context()); err != nil {
		s.Fatal(err)
	}
	s.refusals()
	out := s.on("m1", s.skep, "restore", s.file("sealed.backup"), "--passphrase-file", s.secret(), "--advertise-addr", m1.Address.String())
	s.Log(out)
	s.eventually(30*time.Second, func() string { return s.ready("w1") })
	s.eventually(60*time.Second, func() string { return s.runs("web", 2) })
	s.same(present) // with that of the service the backup does not know
	if got := s.docker("m1", "service", "ls", "--format", "{{.Name}}"); got != "web" {
		s.Errorf("the backup's services are %q", got)
	}
	s.docker("m1", "service", "scale", "--detach", "web=4")
	s.eventually(60*time.Second, func() string { return s.runs("web", 4) })
	s.same(before)
	if out, err := s.try("m1", s.skep, "restore", s.file("plain.backup")); err == nil || !strings.Contains(out, "--force") {
		s.Errorf("restoring over a cluster says %q, %v", out, err)
	}
	s.on("m1", s.skep, "restore", s.file("plain.backup"), "--force")
	s.eventually(30*time.Second, func() string { return s.ready("w1") })
	s.same(before)
	s.same(withLater)
	s.elsewhere(withLater)
}

// elsewhere restores at an address that w1 does not know, and tells it.
func (s *scene) elsewhere(before []string) {
	m1, m3 := s.lab.Host("m1"), s.lab.Host("m3")
	if err := m1.Kill(s.Context()); err != nil {
		s.Fatal(err)
	}
	s.on("m3", s.skep, "restore", s.file("plain.backup"), "--advertise-addr", m3.Address.String())
	token := s.docker("m3", "swarm", "join-token", "--quiet", "worker")
	join := []string{"docker", "swarm", "join", "--token", token, m3.Address.String() + ":2377"}
	s.eventually(60*time.Second, func() string { // once w1 has noticed that m1 is gone
		if out, err := s.try("w1", join...); err != nil {
			return out + err.Error()
		}
		return ""
	})
	s.eventually(30*time.Second, func() string {
		out, err := s.try("m3", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
		if err != nil || !strings.Contains(out, "w1 Ready") {
			return fmt.Sprintf("the nodes are %s: %v", out, err)
		}
		return ""
	})
	s.same(before)
	if out, err := s.try("w1", join...); err == nil || !strings.Contains(out+err.Error(), "already part of a swarm") {
		s.Errorf("a worker that has its managers says %q, %v", out, err)
	}
}

// refusals: a file that is not whole, or is locked, changes nothing.
func (s *scene) refusals() {
	whole, err := os.ReadFile(s.file("plain.backup"))
	if err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(s.file("cut.backup"), whole[:len(whole)-100], 0o600); err != nil {
		s.Fatal(err)
	}
	for file, want := range map[string]string{"cut.backup": "damaged", "sealed.backup": "passphrase", "none.backup": "no such file"} {
		if out, err := s.try("m1", s.skep, "restore", s.file(file)); err == nil || !strings.Contains(out, want) {
			s.Errorf("restoring %s says %q, %v", file, out, err)
		}
	}
	if got := s.docker("m1", "info", "--format", "{{.Swarm.LocalNodeState}}"); got != "inactive" {
		s.Errorf("after refused restores the node is %s", got)
	}
}

func (s *scene) file(name string) string { return filepath.Join(s.dir, name) }

func (s *scene) secret() string {
	path := s.file("passphrase")
	if err := os.WriteFile(path, []byte("correct horse battery staple\n"), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}

func (s *scene) backup(host, name string, args ...string) {
	s.Log(s.on(host, append([]string{s.skep, "backup", s.file(name)}, args...)...))
	info, err := os.Stat(s.file(name))
	if err != nil || info.Mode().Perm() != 0o600 {
		s.Errorf("the backup's file: %v, %v", info, err)
	}
}

func (s *scene) try(host string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	return s.lab.Host(host).Exec(ctx, args...)
}

func (s *scene) on(host string, args ...string) string {
	s.Helper()
	out, err := s.try(host, args...)
	if err != nil {
		s.logs()
		s.Fatal(err)
	}
	return out
}

func (s *scene) docker(host string, args ...string) string {
	s.Helper()
	return s.on(host, append([]string{"docker"}, args...)...)
}

// runs says how many tasks of a service do not run.
func (s *scene) runs(service string, want int) string {
	out, err := s.try("m1", "docker", "service", "ls", "--filter", "name="+service, "--format", "{{.Replicas}}")
	if have := fmt.Sprintf("%d/%d", want, want); err != nil || out != have {
		ps, _ := s.try("m1", "docker", "service", "ps", "--no-trunc", service)
		return fmt.Sprintf("%s has %s, wants %s: %v\n%s", service, out, have, err, ps)
	}
	return ""
}

func (s *scene) ready(host string) string {
	out, err := s.try("m1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
	if err != nil || !strings.Contains(out, host+" Ready") {
		return fmt.Sprintf("the nodes are %s: %v", out, err)
	}
	return ""
}

func (s *scene) reachable(host string) string {
	out, err := s.try("m1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}")
	if err != nil || !strings.Contains(out, host+" Ready Reachable") {
		return fmt.Sprintf("the nodes are %s: %v", out, err)
	}
	return ""
}

// removed removes a lost manager, which is allowed once it is known to be down.
func (s *scene) removed(host string) string {
	_, err := s.try("m1", "docker", "node", "rm", host)
	if err != nil {
		return err.Error()
	}
	return ""
}

// containers are the ids of what runs on a host.
func (s *scene) containers(host string) []string {
	list, err := s.lab.Host(host).Engine().ContainerList(s.Context(), client.ContainerListOptions{})
	if err != nil {
		s.Fatal(err)
	}
	var ids []string
	for _, c := range list.Items {
		ids = append(ids, c.ID)
	}
	return ids
}

// same fails when a container of before is gone.
func (s *scene) same(before []string) {
	s.Helper()
	now := s.containers("w1")
	for _, id := range before {
		if !slices.Contains(now, id) {
			s.logs()
			s.Fatalf("container %.12s of %d is gone; now: %v", id, len(before), now)
		}
	}
}

func (s *scene) eventually(limit time.Duration, check func() string) {
	s.Helper()
	var wrong string
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if wrong = check(); wrong == "" {
			return
		}
	}
	s.logs()
	s.Fatalf("after %v: %s", limit, wrong)
}

// logs shows the ends of the daemons' logs.
func (s *scene) logs() {
	for _, h := range s.lab.Hosts() {
		b, err := os.ReadFile(h.Log(hosts.Daemon))
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		s.Logf("%s:\n%s", h.Name, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}
