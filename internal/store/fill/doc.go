// Package fill fills a store with nodes, services and tasks for benchmarks, as many as are asked for, as the stages leave them.
//
// It reads no tables. It writes node specs, identities and states, services, revisions, tasks, allocations, placements and
// statuses, each as the table's writer.
//
// Invariants: what is written depends on the order of the calls and on the ids given alone. A first error is kept, and
// everything after it does nothing: [Filler.Flush] tells it.
//
// Callers may not assume that rows show in the store before Flush.
package fill
