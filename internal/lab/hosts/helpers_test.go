package hosts_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts"
)

const upLimit = 2 * time.Minute // for a command of its own; one host is up in a second on an idle machine

// on runs a command on a host that has to succeed.
func on(t *testing.T, h *hosts.Host, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := h.Exec(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually repeats a check until it says nothing.
func eventually(t *testing.T, limit time.Duration, check func() string) {
	t.Helper()
	var wrong string
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if wrong = check(); wrong == "" {
			return
		}
	}
	t.Fatalf("after %v: %s", limit, wrong)
}

// page fetches a page from a host's network.
func page(ctx context.Context, from *hosts.Host, address string) (string, error) {
	c := &http.Client{Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}, Timeout: 3 * time.Second}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// reaches tells whether packets pass both ways between two machines: a closed port answers, too, with a refusal.
func reaches(t *testing.T, from, to *hosts.Host) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	conn, err := from.DialContext(ctx, "tcp", net.JoinHostPort(to.Address.String(), "9"))
	if err == nil {
		_ = conn.Close()
		return true
	}
	return strings.Contains(err.Error(), "refused")
}

// shared is what a lab must not change: the network and mounts of the machine, which here are the test's own.
func shared(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, c := range []string{"ip -oneline link", "ip route", "ip netns", "nft list ruleset", "cat /proc/self/mountinfo /proc/sys/net/ipv4/ip_forward"} {
		words := strings.Fields(c)
		out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", c, err, out)
		}
		b.WriteString("# " + c + "\n" + string(out))
	}
	return b.String()
}

// traces are the processes and control groups of a lab, and its directory.
func traces(t *testing.T, dir, cgroup string) (found []string) {
	t.Helper()
	for _, pattern := range []string{dir, "/sys/fs/cgroup" + cgroup, "/sys/fs/cgroup/*" + cgroup, "/proc/[0-9]*/cmdline"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range matches {
			if !strings.HasPrefix(m, "/proc/") {
				found = append(found, m)
			} else if line, err := os.ReadFile(m); err == nil && strings.Contains(string(line), dir) { // it may have ended
				found = append(found, m+" "+strings.ReplaceAll(string(line), "\x00", " "))
			}
		}
	}
	return found
}
