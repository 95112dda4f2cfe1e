package recovery

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/lab/hosts"
)

// TestCARotation replaces the certificate authority of a cluster whose tasks run on: with all nodes there, with one that
// is off, and with a leader that dies in the midst.
func TestCARotation(t *testing.T) {
	s := everywhere(t, 2, "10.105.0.0/24")
	before, tokens := s.tasks(), []string{s.workerToken()}
	same := func() {
		if after := s.tasks(); !slices.Equal(before, after) {
			s.logs()
			t.Errorf("the tasks were\n%s\nand are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
		tokens = append(tokens, s.workerToken())
		digest := func(token string) string { return strings.Split(token, "-")[2] }
		if n := len(tokens); digest(tokens[n-1]) == digest(tokens[n-2]) {
			t.Errorf("a rotation left the join token %s", tokens[n-1])
		}
	}
	s.t("a new root", func() {
		said := s.docker("m2", "swarm", "ca", "--rotate") // with its progress
		root := s.rotated("")
		if !strings.Contains(said, root) {
			t.Errorf("the new root is %s, the command said %s", root, said)
		}
		same()
	})
	s.t("a given root while a node is off", func() { s.givenRoot(); same() })
	s.t("the leader dies in the midst", func() { s.leaderless(); same() })
	s.t("nodes join with the new token only", func() {
		s.docker("w2", "swarm", "leave")
		join := []string{"docker", "swarm", "join", s.lab.Host("m1").Address.String() + ":2377", "--token"}
		if out, err := s.try("w2", append(join, tokens[0])...); err == nil || !strings.Contains(out+err.Error(), "has been replaced since it was printed") {
			t.Errorf("a token of before says %q, %v", out, err)
		}
		s.on("w2", append(join, tokens[len(tokens)-1])...)
		s.eventually(60*time.Second, func() string { return s.ready("w2") })
		s.trusted(s.docker("m1", "swarm", "ca"))
	})
}

// givenRoot rotates to a root of the user's while w2 is off: it is waited for.
func (s *scene) givenRoot() {
	s.Helper()
	root, err := identity.NewRoot(rand.Reader, time.Now())
	if err != nil {
		s.Fatal(err)
	}
	for name, text := range map[string][]byte{"root.crt": root.Cert, "root.key": root.Key} {
		if err := os.WriteFile(s.file(name), text, 0o600); err != nil {
			s.Fatal(err)
		}
	}
	w2, old := s.lab.Host("w2"), s.docker("m1", "swarm", "ca")
	if err := w2.Hold(hosts.Daemon, true); err != nil {
		s.Fatal(err)
	}
	s.signal("w2")
	s.docker("m3", "swarm", "ca", "--rotate", "--detach", "--ca-cert", s.file("root.crt"), "--ca-key", s.file("root.key"))
	const format = `{{printf "%x" .Description.TLSInfo.CertIssuerPublicKey}}`
	s.eventually(60*time.Second, func() string {
		out := strings.Fields(s.docker("m1", "node", "inspect", "--format", format, "m1", "m2", "m3", "w1", "w2"))
		if len(slices.Compact(out[:4])) != 1 || out[0] == out[4] {
			return "the certificates are of " + strings.Join(out, "\n")
		}
		return ""
	})
	if !s.turning("m2") || s.docker("m1", "swarm", "ca") != old {
		s.Error("the root was replaced while a node was off: it would not have come back")
	}
	if err := w2.Hold(hosts.Daemon, false); err != nil {
		s.Fatal(err)
	}
	if got := s.rotated(old); got != strings.TrimSpace(string(root.Cert)) {
		s.Errorf("the root is %s, not the one given", got)
	}
}

// leaderless kills the leader's daemon when it has begun.
func (s *scene) leaderless() {
	s.Helper()
	old := s.docker("m1", "swarm", "ca")
	leader := "m1"
	for line := range strings.Lines(s.docker("m1", "node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}")) {
		if name, ok := strings.CutSuffix(strings.TrimSpace(line), " Leader"); ok {
			leader = name
		}
	}
	via := map[string]string{"m1": "m2", "m2": "m3", "m3": "m1"}[leader]
	s.docker(via, "swarm", "ca", "--rotate", "--detach")
	if err := s.lab.Host(leader).Signal(s.Context(), hosts.Daemon, syscall.SIGKILL); err != nil {
		s.Fatal(err)
	}
	s.rotated(old)
}

// rotated waits for the end of a rotation, and returns the root that all nodes trust.
func (s *scene) rotated(old string) (root string) {
	s.Helper()
	s.eventually(60*time.Second, func() string {
		var err error
		if root, err = s.try("m1", "docker", "swarm", "ca"); err != nil || root == old || s.turning("m1") {
			return fmt.Sprintf("the rotation goes on: %v", err)
		}
		return ""
	})
	s.trusted(root)
	for _, host := range s.lab.Hosts() {
		s.eventually(60*time.Second, func() string { return s.ready(host.Name) })
	}
	return root
}

func (s *scene) turning(via string) bool {
	out, err := s.try(via, "docker", "info", "--format", "{{.Swarm.Cluster.RootRotationInProgress}}")
	return err != nil || out != "false"
}

// trusted waits until all hosts trust a root and no other.
func (s *scene) trusted(root string) {
	s.Helper()
	for _, host := range s.lab.Hosts() {
		s.eventually(60*time.Second, func() string {
			got, err := os.ReadFile(filepath.Join(s.lab.Dir(), host.Name, "skep", "swarm", "ca.crt"))
			if err != nil || strings.TrimSpace(string(got)) != root {
				return fmt.Sprintf("%s trusts another root (%v)", host.Name, err)
			}
			return ""
		})
	}
}

func (s *scene) workerToken() string {
	s.Helper()
	return s.docker("m1", "swarm", "join-token", "--quiet", "worker")
}
