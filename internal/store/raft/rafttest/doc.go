// Package rafttest has what the tests of several packages need to run replicas: a log in memory for their writers.
//
// It reads and writes no tables. Invariant: a log behaves as [raft.MemoryLog], and can be used by several goroutines. Only
// tests import it.
package rafttest
