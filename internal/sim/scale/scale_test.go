package scale_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/sim/scale"
	"go.uber.org/goleak"
)

// The test's own program is the parts of the runs, too.
const partArgument = "scale-part"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == partArgument {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := scale.Part(ctx, "test", os.Stdin, os.Stdout)
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func tiny(t *testing.T) scale.Options {
	return scale.Options{
		Managers: 3, Agents: 20, Tasks: 200, Replicas: 50, Burst: 20, Steady: 100 * time.Millisecond, Failover: true,
		PerProcess: 10, Seed: 1, Dir: t.TempDir(), Command: []string{partArgument},
	}
}

// A whole run, small: all that is reported was found, and nothing of it is left.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	o := tiny(t)
	o.Profile = t.TempDir()
	var out bytes.Buffer
	r, err := scale.Run(ctx, o, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	l := r.Load
	if r.Services != 4 || l.ToRunning.Count != 200 || l.Seconds <= 0 || l.ToRunning.P50 < 50*time.Millisecond || l.LeaderRSS == 0 || l.LogPerTask < 100 {
		t.Errorf("the load was reported as %+v", l)
	}
	if l.NetToAgent == 0 || l.NetFromAgent == 0 || r.API["list services"].Count == 0 {
		t.Errorf("bytes or answers were not counted: %+v, %+v", l, r.API)
	}
	if r.Burst == nil || r.Burst.ToRunning.Count != 20 || r.Steady == nil || r.Failover == nil || r.Failover.WriteSeconds <= 0 {
		t.Errorf("a part of the run was not reported: %+v, %+v, %+v", r.Burst, r.Steady, r.Failover)
	}
	if r.Failover != nil && r.Failover.AgentsSeconds < r.Failover.WriteSeconds {
		t.Errorf("the agents were counted before the write: %+v", r.Failover)
	}
	for _, name := range []string{"load.cpu.pprof", "load.heap.pprof", "burst.cpu.pprof"} {
		if st, err := os.Stat(filepath.Join(o.Profile, name)); err != nil || st.Size() == 0 {
			t.Errorf("profile %s: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "report.json")
	if err := r.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	var read scale.Report
	if err != nil || json.Unmarshal(raw, &read) != nil || read.Load != l {
		t.Errorf("the report's file says another thing: %v, %+v", err, read.Load)
	}
	if text := r.Text(); !strings.Contains(text, "20 agents") || !strings.Contains(text, "a write is acknowledged after") {
		t.Errorf("the report reads\n%s", text)
	}
	nothingLeft(t, o)
}

// A run that is interrupted leaves nothing, whatever it was at.
func TestInterrupted(t *testing.T) {
	for _, at := range []string{"nodes admitted", "start the agents:"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := tiny(t)
			o.Tasks = 20000
			if _, err := scale.Run(ctx, o, &trigger{word: at, do: cancel}); err == nil {
				t.Error("an interrupted run ended well")
			}
			nothingLeft(t, o)
		})
	}
}

// trigger does something when a word is written.
type trigger struct {
	word string
	do   func()
}

func (w *trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.word)) {
		w.do()
	}
	return len(p), nil
}

// nothingLeft finds processes of the run by their arguments, and files by their directory.
func nothingLeft(t *testing.T, o scale.Options) {
	t.Helper()
	if rest, err := os.ReadDir(o.Dir); err != nil || len(rest) > 0 {
		t.Errorf("the run left files: %v %v", rest, err)
	}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		raw, _ := os.ReadFile(path)
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
		if bytes.Contains(raw, []byte("\x00"+partArgument)) && bytes.Contains(stat, []byte(fmt.Sprintf(" %d ", os.Getpid()))) {
			t.Errorf("the run left a process: %s", path)
		}
	}
}
