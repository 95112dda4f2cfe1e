// Package resources is the arithmetic of what nodes offer and tasks reserve: memory, cores and generic resources, which
// are counted by kind or given out by value.
//
// It is a pure helper of scheduler and orchestrator, reads and writes no table, and follows Docker: a task reserves
// numbers of a kind of generic resource, whether the node counts them or has values of it.
//
// Invariants:
//   - Whoever reserves nothing of something fits, also where more of it is taken than there is.
//   - What [Room.Assign] gives out of a room that [Room.Fits] is still offered to and held by nobody else, until Return.
//
// Callers may not assume that a room has no more taken than it offers: what a node offers may shrink under its tasks.
package resources
