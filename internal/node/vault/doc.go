// Package vault keeps what a node must not show: its private key, and on managers the keys of the raft log. While the
// cluster locks its managers (autolock) they are on disk only encrypted.
//
//	raft.key   the ring: the keys the log and its snapshots are sealed with, newest first; sealed under a key derived
//	           from the unlock key while managers are locked
//	node.key   the private key of node.crt; sealed under the ring's newest key while managers are locked
//
// So one file changes hands when the unlock key does: raft.key, replaced in one step. Where locking is switched on the
// ring gets a new key, as the one before had been on disk for all to see; what that sealed fades with the log's
// compaction. Sealing is [identity.Seal].
//
// It reads and writes no table; it is told what the Cluster row says, with the row's index as its version.
//
// Invariants: a crash at any moment leaves a directory that opens with the present unlock key, or with the one before,
// or without one if there was none; an older word of the cluster, as a log that is played back has it, never replaces a
// newer one; the ring loses no key, so that whatever is in the log can be read.
//
// Callers may not assume that a change of the unlock key is on disk here when the cluster has committed it: each manager
// follows as soon as it hears.
package vault
