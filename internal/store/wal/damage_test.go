package wal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/wal"
)

// specimen is a log of eight saves: the file, where each save ends in it, and what the log holds after each.
func specimen(t *testing.T) (opt wal.Options, file string, data []byte, ends []int, held []string) {
	opt, l := fresh(t)
	file = filepath.Join(opt.Dir, "wal", fmt.Sprintf("%016x-%016x.wal", 0, 0))
	held = []string{"term 0 vote 0"}
	memory := raft.NewMemoryLog(raft.Identity{})
	size := func() {
		data = bytes.TrimRight(must[[]byte](t)(os.ReadFile(file)), "\x00")
		ends = append(ends, (len(data)+7)/8*8)
	}
	size()
	for i := uint64(1); i <= 8; i++ {
		es := []*pb.Entry{entry(2*i-1, i, fmt.Sprint("a", i)), entry(2*i, i, strings.Repeat("b", 700))}
		ok(t, l.Save(hard(i, 2*i-2), es, false))
		ok(t, memory.Save(hard(i, 2*i-2), es, false))
		held = append(held, show(t, memory))
		size()
	}
	ok(t, l.Close())
	data = append(data, make([]byte, ends[8]-len(data))...)
	return opt, file, data, ends, held
}

// Wherever a crash cuts the last write, the log opens with all saves before it, and with no more of the last than what
// is whole. It can be written on and opened again.
func TestTorn(t *testing.T) {
	opt, file, data, ends, held := specimen(t)
	for cut := ends[7]; cut <= ends[8]; cut += 11 {
		for _, zeros := range []int{0, 4096} {
			ok(t, os.WriteFile(file, append(data[:cut:cut], make([]byte, zeros)...), 0o600))
			l, err := wal.Open(opt)
			if err != nil {
				t.Fatalf("cut at %d of %d, %d zeros after it: %v", cut, ends[8], zeros, err)
			}
			got := show(t, l)
			// The entries of a torn save may be there without its state; see settle in package raft.
			if entries := strings.TrimPrefix(held[7], "term 7 vote 1"); !strings.Contains(got, entries) || !strings.HasPrefix(held[8][14:], got[14:]) {
				t.Fatalf("cut at %d: got %s\nwant at least %s", cut, got, held[7])
			}
			ok(t, l.Save(hard(9, 14), []*pb.Entry{entry(15, 9, "after")}, false))
			ok(t, l.Close())
			if again := must[string](t)(opened(t, opt)); !strings.HasSuffix(again, " 15/9=after") || !strings.HasPrefix(again, "term 9") {
				t.Fatalf("cut at %d, written on: %s", cut, again)
			}
		}
	}
}

// A torn write need not reach the disk from front to back: a hole in the last save is a crash too.
func TestTornWithHole(t *testing.T) {
	opt, file, data, ends, held := specimen(t)
	torn := bytes.Clone(data)
	clear(torn[ends[7] : ends[7]+40])
	ok(t, os.WriteFile(file, append(torn, make([]byte, 4096)...), 0o600))
	if got := must[string](t)(opened(t, opt)); got != held[7] {
		t.Errorf("got  %s\nwant %s", got, held[7])
	}
}

// Damage to what was acknowledged is refused, or does no harm; it never shortens or changes the log.
func TestDamage(t *testing.T) {
	opt, file, data, ends, held := specimen(t)
	refused := 0
	for at := 0; at < ends[6]; at += 13 {
		for _, damage := range []string{"flip", "zero", "high"} {
			bad := bytes.Clone(data)
			switch damage {
			case "flip":
				bad[at] ^= 1
			case "zero":
				clear(bad[at:min(at+24, ends[6])])
			case "high":
				bad[at] = 0xff
			}
			ok(t, os.WriteFile(file, append(bad, make([]byte, 4096)...), 0o600))
			got, err := opened(t, opt)
			if err == nil && got != held[8] {
				t.Fatalf("%s at byte %d (saves end at %v): the log was read as %s", damage, at, ends, got)
			}
			if err != nil {
				refused++
				if !strings.HasPrefix(err.Error(), "wal: ") {
					t.Fatalf("%s at byte %d: %v", damage, at, err)
				}
			}
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed at all")
	}
}
