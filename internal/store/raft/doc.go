// Package raft replicates opaque entries among the managers of one cluster, on go.etcd.io/raft.
//
// [Machine] is one member as a message machine: ticks, messages and proposals in; messages, writes and snapshots to be
// done out. It starts no goroutine, reads no clock and does no input or output, so that a simulator runs many of them
// in one thread. [Replica] is the same machine in production: one goroutine owns it, one writes the log, one writes
// snapshots. Everything proposed while a write is on its way to the disk goes into the next one (group commit).
//
// The election jitter is drawn by the library from crypto/rand. A simulation that is to be reproduced by its seed
// replaces it: testing/cryptotest.SetGlobalRandom in a test, crypto/rand.Reader in the simulator's own binary.
//
// It reads and writes no table; the members it reports through [StateMachine] become the Member table.
//
// Invariants:
//   - Entries reach [StateMachine.Apply] in log order, each once per life of the state machine, only after a quorum and
//     this member's own log hold them durably.
//   - A message that promises durability leaves only after the write it speaks of was reported done.
//   - A member leads (Leadership.Leading) only after it has applied every entry of earlier terms; it is told that it
//     leads no more before it applies an entry of another leader.
//   - An accepted proposal is applied, or the loss of leadership is reported: then it may or may not be committed.
//
// Callers may not assume that a proposal which was accepted in one term is gone when that term ends, that the members
// of [Status] are those of the newest entry in the log, or that a snapshot holds the entries its metadata names before
// [Log.Adopt] returned.
package raft
