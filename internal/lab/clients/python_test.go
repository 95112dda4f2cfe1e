package clients

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestPython walks the calls of python3-docker on both sides.
func TestPython(t *testing.T) {
	needPeer(t)
	const python = "/usr/bin/python3" // Debian's: that is the one with Debian's modules
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import docker").CombinedOutput(); err != nil {
		t.Skipf("skipped: python3-docker is not installed (Debian: apt-get install python3-docker): %v: %s", err, out)
	}
	var said [][]string
	for _, s := range both(t) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		cmd := exec.CommandContext(ctx, python, "testdata/walk.py", s.Host)
		cmd.WaitDelay = time.Second
		out, err := cmd.CombinedOutput()
		if err != nil {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			t.Errorf("walking the calls of %s: %v: %s", s.Name, err, strings.Join(lines[max(0, len(lines)-12):], "\n"))
		}
		for l := range strings.SplitSeq(string(out), "\n") {
			if strings.Contains(l, "DID NOT COME TRUE") {
				t.Errorf("%s: %s", s.Name, l)
			}
		}
		said = append(said, strings.Split(strings.TrimSpace(string(out)), "\n"))
	}
	same(t, "python3-docker", said[0], said[1])
}
