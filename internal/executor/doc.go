// Package executor is the border between skep's agent and whatever runs containers: the interface [Executor] and the
// conformance suite every implementation passes.
//
// It reads and writes no table. An executor holds no state of its own that matters: the containers themselves, found
// by the labels they bear, are the truth, so that an agent that restarts adopts what runs.
//
// Invariants: every call is idempotent and names its task by id; a container belongs to exactly one task, a task has at
// most one container; nothing but [Executor.Stop] and [Executor.Remove] ends a container.
//
// Callers may not assume that a call's failure left nothing behind: List tells.
package executor
