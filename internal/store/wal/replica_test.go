package wal_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/store/wal"
)

func TestMain(m *testing.M) {
	// Each check of a property makes real files of many megabytes; the flag on the command line still counts.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// list is a state machine that remembers what it was given.
type list struct {
	mu      sync.Mutex
	items   []string
	members []raft.Member
	applied chan uint64 // closed over by waiters; may be nil
	leading chan bool
}

func (l *list) Apply(entries []raft.Entry, _ uint64) {
	l.mu.Lock()
	for _, e := range entries {
		l.items = append(l.items, string(e.Data))
	}
	l.mu.Unlock()
	for _, e := range entries {
		if l.applied != nil {
			l.applied <- binary.BigEndian.Uint64(e.Data)
		}
	}
}

func (l *list) Configure(_, _ uint64, members []raft.Member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members = members
}

func (l *list) Lead(lead raft.Leadership) {
	if l.leading != nil {
		l.leading <- lead.Leading
	}
}

func (l *list) Snapshot() func(io.Writer) error {
	l.mu.Lock()
	items := l.items[:len(l.items):len(l.items)]
	l.mu.Unlock()
	return func(w io.Writer) error {
		for _, i := range items {
			if _, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(i))), i...)); err != nil {
				return err
			}
		}
		return nil
	}
}

func (l *list) Restore(r io.Reader, _, _ uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = nil
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		item := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(r, item); err != nil {
			return err
		}
		l.items = append(l.items, string(item))
	}
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// run starts a replica on the log in dir and returns when it leads; the function it returns stops it.
func run(t testing.TB, opt wal.Options, sm *list, cfg raft.Config) (*raft.Replica, func()) {
	t.Helper()
	var log *wal.Log
	var err error
	if wal.Exists(opt.Dir) {
		log, err = wal.Open(opt)
	} else if log, err = wal.Create(opt, raft.Identity{ID: 7, Node: "node", Cluster: "cluster"}); err == nil {
		err = raft.Bootstrap(log, "127.0.0.1:2377")
	}
	if err != nil {
		t.Fatal(err)
	}
	sm.leading = make(chan bool, 16)
	r, err := raft.OpenReplica(raft.Options{Config: cfg, Log: log, StateMachine: sm, Env: env.Real()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop := func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
	timeout := time.After(10 * time.Second)
	for {
		select {
		case leading := <-sm.leading:
			if leading {
				return r, stop
			}
		case err := <-done:
			t.Fatalf("run ended: %v", err)
		case <-timeout:
			t.Fatal("no leader after ten seconds")
		}
	}
}

// A group of one leads within milliseconds of its start, and holds after a restart what it applied before.
func TestGroupOfOne(t *testing.T) {
	opt := wal.Options{Dir: t.TempDir(), Key: wal.Key{1}}
	const lives, each = 5, 300
	for life := range uint64(lives) {
		sm := &list{applied: make(chan uint64, 10_000)}
		begin := time.Now()
		r, stop := run(t, opt, sm, raft.Config{SnapshotEntries: 100, TrailingEntries: 10})
		if took := time.Since(begin); took > time.Second {
			t.Errorf("life %d: it took %v to lead; a group of one need not wait for its election timeout", life, took)
		}
		for n := range uint64(each) {
			for {
				err := r.Propose(number(life*each + n))
				if err == nil {
					break
				}
				if !errors.Is(err, raft.ErrBusy) {
					t.Fatal(err)
				}
			}
		}
		for got := uint64(0); got != life*each+each-1; {
			got = <-sm.applied
		}
		if _, err := r.ReadIndex(context.Background()); err != nil {
			t.Fatal(err)
		}
		s, err := r.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Members) != 1 || s.Members[0].Node != "node" || s.Members[0].Addr != "127.0.0.1:2377" || s.Leader != 7 {
			t.Errorf("status: %+v", s)
		}
		stop()
		if err := r.Propose(number(0)); err == nil {
			t.Error("a stopped replica took a proposal")
		}
		if len(sm.items) != int(life+1)*each {
			t.Fatalf("life %d: %d items", life, len(sm.items))
		}
		for i, item := range sm.items {
			if item != string(number(uint64(i))) {
				t.Fatalf("life %d: item %d is %x", life, i, item)
			}
		}
	}
}

func BenchmarkPropose(b *testing.B) {
	for _, inFlight := range []int{1, 64} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			sm := &list{applied: make(chan uint64, 1024)}
			r, stop := run(b, wal.Options{Dir: b.TempDir(), Key: wal.Key{1}}, sm, raft.Config{})
			defer stop()
			data := append(number(1), make([]byte, 192)...)
			waiting := 0
			for b.Loop() {
				if waiting == inFlight {
					<-sm.applied
					waiting--
				}
				if err := r.Propose(data); err != nil {
					b.Fatal(err)
				}
				waiting++
			}
			for ; waiting > 0; waiting-- {
				<-sm.applied
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "proposals/s")
		})
	}
}
