// Package wal keeps one member's raft log and snapshots on disk, encrypted: the [raft.Log] of production.
//
// The log is etcd's write-ahead log (segments of 8 MiB, checksums chained from record to record, preallocated, one
// fdatasync a save) in which the data of each entry is sealed with XChaCha20-Poly1305 under a random nonce; index, term
// and type of the entry are bound to it. Terms, votes, commit indexes and the sizes of entries can be read without the
// key. Snapshots are files of their own, sealed in chunks, written to a temporary name, fsynced and renamed.
//
//	DIR/wal/*.wal                     the log
//	DIR/snapshots/TERM-INDEX.snapshot the newest snapshot, the one before it, and as many older ones as was said
//
// It reads and writes no table.
//
// Invariants: what Save was given is on disk when it returns; the log reaches back to the second newest snapshot,
// so one damaged snapshot loses nothing; one process at a time has the log open.
//
// What a crash tore at the end of the log is cut off, for it was never acknowledged. Damage anywhere else is refused
// with a sentence that says where, because going on would lose or invent entries.
//
// Callers may not assume that a log whose Save failed can be used on: after a failed fsync nobody knows what is durable.
package wal
