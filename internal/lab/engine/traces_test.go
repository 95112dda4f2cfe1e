package engine_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skep-org/skep/internal/lab/engine"
)

// stopAndLook stops an engine and fails the test if something of it is left outside its directory. It looks before,
// too: what shows nothing of a running engine would show nothing of a leak.
func stopAndLook(t *testing.T, e *engine.Engine) {
	t.Helper()
	dir := filepath.Dir(e.Socket())
	if traces(t, dir, e.Cgroup()) == "" {
		t.Error("a running engine left no trace to look for")
	}
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	if found := traces(t, dir, e.Cgroup()); found != "" {
		t.Errorf("the stopped engine left:\n%s", found)
	}
}

// traces lists mounts and processes that name a directory, and control groups of that name.
func traces(t *testing.T, dir, cgroup string) string {
	t.Helper()
	var found []string
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, dir) {
			found = append(found, "mount "+line)
		}
	}
	for _, pattern := range []string{"/proc/[0-9]*/cmdline", "/sys/fs/cgroup/*" + cgroup, "/sys/fs/cgroup" + cgroup} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range matches {
			// A process may end between the listing and the reading.
			line, err := os.ReadFile(m)
			if !strings.HasPrefix(m, "/proc/") || err == nil && strings.Contains(string(line), dir) {
				found = append(found, m+" "+strings.ReplaceAll(string(line), "\x00", " "))
			}
		}
	}
	return strings.Join(found, "\n")
}

// freshNetwork moves the test into a network of its own and prepares it. The thread is never given back: it ends with
// the test, and the network with it.
func freshNetwork(t *testing.T, setup []string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: making a network namespace needs root")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	for _, c := range append([]string{"ip link set lo up"}, setup...) {
		words := strings.Fields(c)
		if out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", c, err, out)
		}
	}
}

// networkState is what an engine in the same network must not change for good: links, firewall, forwarding.
func networkState(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, c := range []string{"ip -oneline -brief link", "iptables-save", "cat /proc/sys/net/ipv4/ip_forward"} {
		words := strings.Fields(c)
		out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", c, err, out)
		}
		b.Write(out)
	}
	// Counters and comments with the time of day differ; so may empty tables, which the listing itself creates.
	s := regexp.MustCompile(`(?m)^#.*\n| ?\[\d+:\d+\]`).ReplaceAllString(b.String(), "")
	return regexp.MustCompile(`\*\w+\n(:\w+ ACCEPT\n)*COMMIT\n`).ReplaceAllString(s, "")
}
