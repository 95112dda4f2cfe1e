package raft

import "io"

// Entry is one committed proposal.
type Entry struct {
	Index, Term uint64
	Data        []byte // belongs to the log: read only
}

// StateMachine is what the entries build. All methods are called by the one goroutine that owns the [Machine].
type StateMachine interface {
	// Apply takes committed entries in log order. Entries without data (raft's own) are left out, so entries may be
	// empty; applied is the index up to which the log is now applied in any case.
	Apply(entries []Entry, applied uint64)
	// Configure tells the members as of the conf change at index, in log order with Apply.
	Configure(index, term uint64, members []Member)
	// Lead tells every change of the leader as this member sees it, in order with Apply.
	Lead(Leadership)
	// Snapshot fixes the state as it is now; the returned function serialises it later, on another goroutine.
	Snapshot() func(io.Writer) error
	// Restore replaces the state by what a Snapshot wrote that was taken at index. What Configure and Apply had told
	// up to index is in it.
	Restore(r io.Reader, index, term uint64) error
}

// Retention is how much of a log is kept. The zero value of each means the Config's.
type Retention struct {
	SnapshotEntries uint64 // of log since the last snapshot make the next one
	TrailingEntries uint64 // stay behind a snapshot
	OldSnapshots    uint64 // are kept beside the newest one
}

// A Retainer is a StateMachine that knows how much of the log its owners want kept. It is asked each time that matters, so
// that a change counts at once.
type Retainer interface{ Retention() Retention }

// A Keeper is a Log that can keep more snapshots than it needs.
type Keeper interface {
	// Keep says how many old ones are to be left when the next snapshot is adopted.
	Keep(old uint64)
}

// Leadership is who leads, as one member sees it.
type Leadership struct {
	Term   uint64
	Leader uint64 // 0: nobody known
	// Leading: this member leads and has applied all entries of earlier terms. When it turns false, proposals that
	// were accepted and not yet applied may or may not be committed.
	Leading bool
}
