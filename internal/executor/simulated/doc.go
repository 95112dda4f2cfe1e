// Package simulated is a container engine that exists only as a state machine: containers with start delays, failures
// and crashes drawn from a seed. It reads and writes no table.
//
// It has two faces. [Machine] is pure: operations are submitted at a time, their completions and the containers' own
// changes become due later; the simulator drives it in one thread. [Executor] is the blocking interface over it, for
// the conformance suite and for tests of what runs above.
//
// Invariants: the same configuration, source of randomness, operations and times give the same events; the operations
// of one task happen one after the other, in the order of submission; a container that has ended never runs again.
//
// Callers may not assume that a failed operation had no effect: when the engine is lost, what was under way happens
// or does not, and nobody is told.
package simulated
