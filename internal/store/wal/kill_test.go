package wal_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/wal"
)

// killDir, in the environment, makes the test binary the process that TestKill kills.
const killDir = "SKEP_TEST_KILL_DIR"

// A process that proposes without pause is killed again and again; each next one holds everything acknowledged before.
func TestKill(t *testing.T) {
	if dir := os.Getenv(killDir); dir != "" {
		victim(t, dir)
		return
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	acknowledged := uint64(0)
	for range 8 {
		acknowledged = max(acknowledged, kill(t, dir, time.Duration(rng.IntN(120))*time.Millisecond))
		sm := &list{}
		r, stop := run(t, wal.Options{Dir: dir, Key: wal.Key{1}}, sm, raft.Config{})
		if _, err := r.ReadIndex(context.Background()); err != nil {
			t.Fatal(err)
		}
		stop()
		if uint64(len(sm.items)) < acknowledged {
			t.Fatalf("%d entries were acknowledged, %d are left", acknowledged, len(sm.items))
		}
		for i, item := range sm.items {
			if got := binary.BigEndian.Uint64([]byte(item)); got != uint64(i+1) {
				t.Fatalf("entry %d is %d", i+1, got)
			}
		}
	}
	if acknowledged == 0 {
		t.Error("nothing was acknowledged in any life")
	}
}

// kill runs a victim until it has acknowledged something and a while longer, and returns the last it acknowledged.
func kill(t *testing.T, dir string, after time.Duration) (last uint64) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$", "-test.v")
	cmd.Env = append(os.Environ(), killDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	var timer *time.Timer
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if n, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
			last = n
			if timer == nil {
				timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
			}
		}
	}
	_, err = io.Copy(io.Discard, out)
	ok(t, err)
	if err := cmd.Wait(); err == nil {
		t.Fatal("the victim ended by itself")
	}
	return last
}

// victim proposes the next numbers and prints each when it is applied.
func victim(t *testing.T, dir string) {
	sm := &list{applied: make(chan uint64, 100_000)}
	r, _ := run(t, wal.Options{Dir: dir, Key: wal.Key{1}}, sm, raft.Config{SnapshotEntries: 200, TrailingEntries: 10})
	if _, err := r.ReadIndex(context.Background()); err != nil {
		t.Fatal(err)
	}
	sm.mu.Lock()
	next := uint64(len(sm.items)) + 1
	sm.mu.Unlock()
	for len(sm.applied) > 0 {
		<-sm.applied
	}
	for {
		for range rand.IntN(20) + 1 {
			if r.Propose(number(next)) == nil {
				next++
			}
		}
		for n := range sm.applied {
			fmt.Println(n)
			if n == next-1 {
				break
			}
		}
	}
}
