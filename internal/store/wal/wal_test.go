package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"pgregory.net/rapid"

	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/wal"
)

func entry(index, term uint64, data string) *pb.Entry {
	return &pb.Entry{Index: new(index), Term: new(term), Type: pb.EntryNormal.Enum(), Data: []byte(data)}
}

func hard(term, commit uint64) *pb.HardState {
	return &pb.HardState{Term: new(term), Vote: new(uint64(1)), Commit: new(commit)}
}

func snapshot(index, term uint64) *pb.Snapshot {
	conf := &pb.ConfState{Voters: []uint64{7}, AutoLeave: new(false)}
	return &pb.Snapshot{Data: []byte(`{}`), Metadata: &pb.SnapshotMetadata{Index: new(index), Term: new(term), ConfState: conf}}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// show renders what a log holds.
func show(t testing.TB, l raft.Log) string {
	loaded := must[raft.Loaded](t)(l.Load())
	var b strings.Builder
	fmt.Fprintf(&b, "term %d vote %d", loaded.Hard.GetTerm(), loaded.Hard.GetVote())
	if s := loaded.Snapshot; s != nil {
		body := must[io.ReadCloser](t)(l.OpenSnapshot(s))
		fmt.Fprintf(&b, " snapshot %d/%d %s", s.GetMetadata().GetIndex(), s.GetMetadata().GetTerm(), must[[]byte](t)(io.ReadAll(body)))
		ok(t, body.Close())
	}
	for _, e := range loaded.Entries {
		fmt.Fprintf(&b, " %d/%d=%.10s", e.GetIndex(), e.GetTerm(), e.GetData())
	}
	return b.String()
}

// fresh makes a log and closes it at the end of the test.
func fresh(t testing.TB) (wal.Options, *wal.Log) {
	opt := wal.Options{Dir: filepath.Join(t.TempDir(), "raft"), Key: wal.Key{1, 2, 3}}
	return opt, must[*wal.Log](t)(wal.Create(opt, raft.Identity{ID: 7, Node: "n", Cluster: "c"}))
}

// opened is what a log holds after it was opened and closed again.
func opened(t testing.TB, opt wal.Options) (string, error) {
	l, err := wal.Open(opt)
	if err != nil {
		return "", err
	}
	s := show(t, l)
	return s, l.Close()
}

func TestRestart(t *testing.T) {
	opt, l := fresh(t)
	ok(t, l.Save(hard(2, 1), []*pb.Entry{entry(1, 1, "a"), entry(2, 2, ""), entry(3, 2, "old")}, false))
	ok(t, l.Save(hard(3, 2), []*pb.Entry{entry(3, 3, "new"), entry(4, 3, strings.Repeat("x", raft.MaxEntrySize))}, false))
	if err := l.Save(nil, []*pb.Entry{entry(5, 3, strings.Repeat("x", raft.MaxEntrySize+10_000))}, false); err == nil {
		t.Error("an entry that is too large was taken")
	}
	if _, err := wal.Open(opt); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second user got %v", err)
	}
	ok(t, l.Close())
	if got, want := must[string](t)(opened(t, opt)), "term 3 vote 1 1/1=a 2/2= 3/3=new 4/3=xxxxxxxxxx"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := wal.Create(opt, raft.Identity{ID: 8}); err == nil {
		t.Error("a log was created over another")
	}
	other := opt
	other.Key[0]++
	if _, err := wal.Open(other); !errors.Is(err, wal.ErrWrongKey) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := wal.Open(wal.Options{Dir: t.TempDir()}); err == nil {
		t.Error("an empty directory was opened")
	}
	l = must[*wal.Log](t)(wal.Open(opt))
	if id := must[raft.Loaded](t)(l.Load()).Identity; id != (raft.Identity{ID: 7, Node: "n", Cluster: "c"}) {
		t.Errorf("identity %+v", id)
	}
	ok(t, l.Close())
}

// No plaintext reaches the disk.
func TestSealed(t *testing.T) {
	opt, l := fresh(t)
	const secret = "correct horse battery staple"
	ok(t, l.Save(hard(1, 1), []*pb.Entry{entry(1, 1, secret)}, false))
	ok(t, l.WriteSnapshot(snapshot(1, 1), text(secret)))
	ok(t, l.Adopt(snapshot(1, 1)))
	ok(t, l.Close())
	ok(t, filepath.WalkDir(opt.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info := must[os.FileInfo](t)(d.Info()); info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if bytes.Contains(must[[]byte](t)(os.ReadFile(path)), []byte("horse")) {
			t.Errorf("%s holds plaintext", path)
		}
		return nil
	}))
}

// Old segments and snapshots go; two snapshots stay, and the log back to the older.
func TestCompaction(t *testing.T) {
	opt, l := fresh(t)
	big := strings.Repeat("y", 1<<20)
	for i := uint64(1); i <= 60; i++ {
		ok(t, l.Save(hard(1, i-1), []*pb.Entry{entry(i, 1, big)}, false))
		if i%12 == 0 {
			ok(t, l.WriteSnapshot(snapshot(i, 1), text(fmt.Sprint("state ", i, big))))
			ok(t, l.Adopt(snapshot(i, 1)))
		}
	}
	ok(t, l.Close())
	snaps := must[[]string](t)(filepath.Glob(filepath.Join(opt.Dir, "snapshots", "*")))
	segments := must[[]string](t)(filepath.Glob(filepath.Join(opt.Dir, "wal", "*.wal")))
	if len(snaps) != 2 || len(segments) > 4 {
		t.Errorf("%d snapshots and %d segments are left", len(snaps), len(segments))
	}
	got := must[string](t)(opened(t, opt))
	if !strings.HasPrefix(got, "term 1 vote 1 snapshot 60/1 state 60yyy") {
		t.Errorf("got %.80s", got)
	}

	// The newest snapshot is damaged: the one before it and the log since then hold the same.
	slices.Sort(snaps)
	flip(t, snaps[1], 500_000)
	got = must[string](t)(opened(t, opt))
	if !strings.HasPrefix(got, "term 1 vote 1 snapshot 48/1 state 48yyy") || !strings.Contains(got, " 49/1=yyy") || !strings.Contains(got, " 60/1=yyy") {
		t.Errorf("with the newest snapshot damaged: %.80s … %s", got, got[len(got)-40:])
	}
	flip(t, snaps[0], 500_000)
	if _, err := opened(t, opt); err == nil || !strings.Contains(err.Error(), "no snapshot in") {
		t.Errorf("with both snapshots damaged: %v", err)
	}
	flip(t, snaps[0], 500_000)
	ok(t, os.Remove(segments[len(segments)-2]))
	if _, err := opened(t, opt); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("with a segment missing: %v", err)
	}
}

// A leader's snapshot replaces entries that contradict it, although they are still on disk.
func TestReceivedSnapshot(t *testing.T) {
	opt, l := fresh(t)
	ok(t, l.Save(hard(3, 1), []*pb.Entry{entry(1, 1, "a"), entry(2, 3, "stale"), entry(3, 3, "stale"), entry(4, 3, "stale")}, false))
	ok(t, l.WriteSnapshot(snapshot(2, 5), text("body")))
	ok(t, l.WriteSnapshot(snapshot(9, 5), text("never adopted")))
	ok(t, l.Adopt(snapshot(2, 5)))
	ok(t, l.Save(hard(5, 2), nil, false))
	ok(t, l.Close())
	if got, want := must[string](t)(opened(t, opt)), "term 5 vote 1 snapshot 2/5 body"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	l = must[*wal.Log](t)(wal.Open(opt))
	if _, err := l.OpenSnapshot(snapshot(9, 5)); err == nil {
		t.Error("a snapshot that was never adopted outlived a restart")
	}
	ok(t, l.Save(nil, []*pb.Entry{entry(3, 5, "new")}, false))
	ok(t, l.Close())
	if got, want := must[string](t)(opened(t, opt)), "term 5 vote 1 snapshot 2/5 body 3/5=new"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// Without the snapshot the log is whole by its looks, yet wrong.
	snaps := must[[]string](t)(filepath.Glob(filepath.Join(opt.Dir, "snapshots", "*")))
	ok(t, os.Remove(snaps[0]))
	if got, err := opened(t, opt); err == nil || !strings.Contains(err.Error(), "snapshot at index 2") {
		t.Errorf("without the snapshot that a leader sent: %s, %v", got, err)
	}
}

// The log on disk and the one in memory hold the same after the same.
func TestSameAsMemory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		opt, disk := fresh(t)
		memory := raft.NewMemoryLog(raft.Identity{ID: 7, Node: "n", Cluster: "c"})
		var term, last, snap uint64 = 1, 0, 0
		terms := map[uint64]uint64{}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0, 1:
				term += rapid.Uint64Range(0, 1).Draw(rt, "new term")
				first := rapid.Uint64Range(snap+1, last+1).Draw(rt, "first")
				if first <= last {
					term++ // only another leader replaces entries
				}
				last = first + rapid.Uint64Range(0, 4).Draw(rt, "more")
				var es []*pb.Entry
				for i := first; i <= last; i++ {
					es = append(es, entry(i, term, fmt.Sprint("d", i)))
					terms[i] = term
				}
				ok(t, disk.Save(hard(term, snap), es, false))
				ok(t, memory.Save(hard(term, snap), es, false))
			case 2:
				if last > snap {
					snap = rapid.Uint64Range(snap+1, last).Draw(rt, "at")
					meta := snapshot(snap, terms[snap])
					for _, l := range []raft.Log{disk, memory} {
						ok(t, l.WriteSnapshot(meta, text(fmt.Sprint("s", snap))))
						ok(t, l.Adopt(meta))
					}
				}
			case 3:
				ok(t, disk.Close())
				disk = must[*wal.Log](t)(wal.Open(opt))
				if got, want := show(t, disk), show(t, memory); got != want {
					rt.Fatalf("disk   %s\nmemory %s", got, want)
				}
			}
		}
		ok(t, disk.Close())
		if got, want := must[string](t)(opened(t, opt)), show(t, memory); got != want {
			rt.Fatalf("disk   %s\nmemory %s", got, want)
		}
	})
}

func flip(t testing.TB, path string, at int) {
	data := must[[]byte](t)(os.ReadFile(path))
	data[at] ^= 0x55
	ok(t, os.WriteFile(path, data, 0o600))
}

// TestOpenedAgainWhileProgramsStart: a child between its fork and its exec has copies of the log's files and of their locks.
func TestOpenedAgainWhileProgramsStart(t *testing.T) {
	opt, l := fresh(t)
	ok(t, l.Close())
	end := make(chan struct{})
	var starting sync.WaitGroup
	for range 4 {
		starting.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
					_ = exec.Command("/bin/true").Run()
				}
			}
		})
	}
	defer starting.Wait()
	defer close(end)
	for range 50 {
		if _, err := opened(t, opt); err != nil {
			t.Fatal(err)
		}
	}
}

// Old snapshots stay as many as was said, beyond a restart and the segments that recorded them; nothing starts from one that
// the log does not lead on from.
func TestKeep(t *testing.T) {
	opt, l := fresh(t)
	big := strings.Repeat("y", 1<<20)
	write := func(l *wal.Log, from, to uint64) {
		for i := from; i <= to; i++ {
			var entries []*pb.Entry
			for k := 10*i - 9; k <= 10*i; k++ {
				entries = append(entries, entry(k, 1, big))
			}
			ok(t, l.Save(hard(1, 10*i-10), entries, false))
			ok(t, l.WriteSnapshot(snapshot(10*i, 1), text(fmt.Sprint("state ", i))))
			ok(t, l.Adopt(snapshot(10*i, 1)))
		}
	}
	left := func() (names []string) {
		for _, path := range must[[]string](t)(filepath.Glob(filepath.Join(opt.Dir, "snapshots", "*"))) {
			index := must[uint64](t)(strconv.ParseUint(filepath.Base(path)[17:33], 16, 64))
			names = append(names, strconv.FormatUint(index, 10))
		}
		return names
	}
	check := func(when string, want ...string) {
		t.Helper()
		if got := left(); !slices.Equal(got, want) {
			t.Errorf("%s: the snapshots %v are left, not %v", when, got, want)
		}
	}
	l.Keep(3)
	write(l, 1, 7)
	check("three old ones are to be kept", "40", "50", "60", "70")
	ok(t, l.Close())
	segments := must[[]string](t)(filepath.Glob(filepath.Join(opt.Dir, "wal", "*.wal")))
	if len(segments) > 4 {
		t.Errorf("%d segments are left: old snapshots need no log", len(segments))
	}
	l = must[*wal.Log](t)(wal.Open(opt))
	check("after a restart", "40", "50", "60", "70")
	l.Keep(2)
	write(l, 8, 8)
	check("two are to be kept", "60", "70", "80")
	l.Keep(0)
	write(l, 9, 9)
	check("none is to be kept, but the one to fall back on", "80", "90")
	l.Keep(5)
	write(l, 10, 12)
	ok(t, l.Close())
	snaps := must[[]string](t)(filepath.Glob(filepath.Join(opt.Dir, "snapshots", "*")))
	for _, path := range snaps[len(snaps)-2:] {
		flip(t, path, 60)
	}
	if got, err := opened(t, opt); err == nil || !strings.Contains(err.Error(), "no snapshot in") {
		t.Errorf("with the newest snapshots damaged: %.80s, %v", got, err)
	}
}
