package raft

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// TickInterval is the time between two calls of [Machine.Tick] in production.
const TickInterval = 100 * time.Millisecond

// heartbeatTicks is how often a leader is heard: five times in the shortest election timeout. Most of what an idle
// manager does is this.
const heartbeatTicks = 2

// What a member answers to requests that it cannot take. None of them leaves a trace in the log.
var (
	ErrNotLeader     = errors.New("raft: this manager does not lead the cluster now")
	ErrTooLarge      = fmt.Errorf("raft: an entry may carry at most %d bytes", MaxEntrySize)
	ErrBusy          = errors.New("raft: too many entries wait to be committed; try again shortly")
	ErrChangePending = errors.New("raft: an earlier change of the cluster's managers is not finished; try again shortly")
)

// Config are the settings of a [Machine]. The zero value of each but ID means its default.
type Config struct {
	ID uint64
	// Incarnation must differ at each start of the same member: it keeps an answer to a read of an earlier life from
	// being taken for one to a read of this life.
	Incarnation uint64
	// ElectionTicks without a word from the leader make a follower campaign, after up to as many more by lot. Ten, one
	// to two seconds, bears a disk whose fsync takes hundreds of milliseconds: writes do not hold up heartbeats.
	ElectionTicks int
	// SnapshotEntries or SnapshotBytes of log since the last snapshot make the next one.
	SnapshotEntries uint64
	SnapshotBytes   int
	// TrailingEntries, at most TrailingBytes of them, stay behind a snapshot for followers that are a little slow.
	TrailingEntries uint64
	TrailingBytes   int
	// UncommittedBytes may wait for a quorum before proposals are answered with ErrBusy.
	UncommittedBytes uint64
	Logger           *slog.Logger
}

func (c Config) withDefaults() Config {
	set := func(v *uint64, to uint64) {
		if *v == 0 {
			*v = to
		}
	}
	setInt := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	setInt(&c.ElectionTicks, 10)
	set(&c.SnapshotEntries, 10_000)
	setInt(&c.SnapshotBytes, 64<<20)
	set(&c.TrailingEntries, 5_000)
	setInt(&c.TrailingBytes, 16<<20)
	set(&c.UncommittedBytes, 64<<20)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
