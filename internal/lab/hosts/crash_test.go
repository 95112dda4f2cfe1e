package hosts_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts"
	"github.com/skep-org/skep/internal/lab/hosts/hoststest"
)

// deadParts is the case that kills the switch and a host, too.
const deadParts = "when all was there, with parts of it"

// TestCrashedUp kills an up at several moments with -9: down takes away what is there.
func TestCrashedUp(t *testing.T) {
	for name, until := range map[string]string{
		"at the start":       "Starting 2 hosts",
		"with a host":        "answers at",
		"in the swarm":       "docker swarm init",
		"when all was there": "The lab is up",
		deadParts:            "The lab is up",
	} {
		t.Run(name, func(t *testing.T) {
			hoststest.NeedRoot(t)
			before, dir := shared(t), hoststest.Dir(t)
			killUp(t, dir, until, "")
			lab, err := hosts.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			// Hosts not let go of end by themselves, those of a finished up stay.
			if until != "The lab is up" {
				eventually(t, 20*time.Second, func() string {
					for _, trace := range traces(t, dir, lab.Cgroup()) {
						if trace != dir {
							return "it is still there: " + trace
						}
					}
					return ""
				})
			} else if name == deadParts {
				for _, machine := range []string{"switch", "m1"} {
					if err := lab.KillMachine(machine); err != nil {
						t.Fatal(err)
					}
				}
			} else if on, err := lab.Host("w1").Running(); !on || err != nil {
				t.Errorf("a finished up's host does not run: %v", err)
			}
			if err := lab.Down(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := traces(t, dir, lab.Cgroup()); len(left) > 0 {
				t.Errorf("down left:\n%s", strings.Join(left, "\n"))
			}
			if after := shared(t); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

// TestCrashedSystemd kills a process whose hosts boot systemd: they power off, and down takes away the rest.
func TestCrashedSystemd(t *testing.T) {
	hoststest.NeedRoot(t)
	before, dir := shared(t), hoststest.Dir(t)
	killUp(t, dir, "The lab is up", "yes")
	lab, err := hosts.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() string {
		for _, h := range lab.Hosts() {
			if on, err := h.Running(); on || err != nil {
				return fmt.Sprintf("%s is on: %v", h.Name, err)
			}
		}
		return ""
	})
	if err := lab.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := traces(t, dir, lab.Cgroup()); len(left) > 0 {
		t.Errorf("down left:\n%s", strings.Join(left, "\n"))
	}
	if after := shared(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// killUp starts an up in a process of its own and kills that when it says something.
func killUp(t *testing.T, dir, until, kind string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), upThere+"="+dir, systemd+"="+kind)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for said := false; !said; said = strings.Contains(lines.Text(), until) {
		if !lines.Scan() {
			t.Fatalf("up ended before it said %q", until)
		}
		t.Log(lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// TestInterruptedUp ends an up by its context, as Ctrl-C does: it takes away itself what was made.
func TestInterruptedUp(t *testing.T) {
	hoststest.NeedRoot(t)
	before, dir := shared(t), hoststest.Dir(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := hosts.Config{Dir: dir, Managers: 1, Workers: 1, DockerSwarm: true, Progress: cancelAt{"answers at", cancel}}
	if _, err := hosts.Up(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted up says %v", err)
	}
	if left := traces(t, dir, "/none"); len(left) > 0 {
		t.Errorf("it left:\n%s", strings.Join(left, "\n"))
	}
	if after := shared(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// cancelAt listens for a word.
type cancelAt struct {
	word   string
	cancel func()
}

func (c cancelAt) Write(line []byte) (int, error) {
	if strings.Contains(string(line), c.word) {
		c.cancel()
	}
	return len(line), nil
}
