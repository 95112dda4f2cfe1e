package wal_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/wal"
)

// TestRekey: what was sealed before stays readable with the older keys, what is sealed after is not.
func TestRekey(t *testing.T) {
	dir := t.TempDir()
	first, second := wal.Key{1}, wal.Key{2}
	id := raft.Identity{ID: 7, Node: "node", Cluster: "cluster"}
	l := must[*wal.Log](t)(wal.Create(wal.Options{Dir: dir, Key: first}, id))
	ok(t, l.Save(hard(1, 1), nil, true))
	ok(t, l.Save(nil, []*pb.Entry{entry(1, 1, "under the first key")}, true))
	ok(t, l.WriteSnapshot(snapshot(1, 1), text("first body")))
	ok(t, l.Adopt(snapshot(1, 1)))
	ok(t, l.Rekey(second, first))
	ok(t, l.Save(hard(1, 2), []*pb.Entry{entry(2, 1, "under the second key")}, true))
	ok(t, l.WriteSnapshot(snapshot(2, 1), text(strings.Repeat("second body", 20_000))))
	ok(t, l.Adopt(snapshot(2, 1)))
	body := must[io.ReadCloser](t)(l.OpenSnapshot(snapshot(1, 1)))
	if got := must[[]byte](t)(io.ReadAll(body)); string(got) != "first body" {
		t.Errorf("the first snapshot holds %q", got)
	}
	ok(t, body.Close())
	ok(t, l.Close())

	if _, err := wal.Open(wal.Options{Dir: dir, Key: first}); err == nil {
		t.Error("the first key alone opens what the second sealed")
	}
	if _, err := wal.Open(wal.Options{Dir: dir, Key: second}); !errors.Is(err, wal.ErrWrongKey) {
		t.Errorf("without the key of what is older: %v", err)
	}
	l = must[*wal.Log](t)(wal.Open(wal.Options{Dir: dir, Key: second, Older: []wal.Key{{9}, first}}))
	loaded := must[raft.Loaded](t)(l.Load())
	if i := loaded.Snapshot.GetMetadata().GetIndex(); i != 2 {
		t.Errorf("started from the snapshot at %d", i)
	}
	body = must[io.ReadCloser](t)(l.OpenSnapshot(snapshot(2, 1)))
	if got := must[[]byte](t)(io.ReadAll(body)); !bytes.HasPrefix(got, []byte("second body")) || len(got) != 220_000 {
		t.Errorf("the second snapshot holds %d bytes", len(got))
	}
	ok(t, body.Close())
	ok(t, l.Close())

	files := must[[]string](t)(filepath.Glob(filepath.Join(dir, "snapshots", "*-0000000000000002.snapshot")))
	raw := must[[]byte](t)(os.ReadFile(files[0]))
	if bytes.Contains(raw, []byte("second body")) {
		t.Error("the snapshot is not sealed")
	}
}
