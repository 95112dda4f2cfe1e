// Package model holds skep's cluster objects: the rows of the store's tables, their identifiers, the life cycle of
// a task and the pure functions over them (Observe, Fingerprint, Dirty, service status).
//
// What the user asked for is kept as Docker's own types inside a [Doc], byte for byte as it was sent; everything
// skep itself decides is a small fixed row with one writer (see the Writer of each table in package store).
//
// Invariants: a row is immutable once it is in the store; whoever changes one copies it first. No row repeats what
// another says: a task's Docker state is computed by [Observe] from the rows of the stages, never stored.
//
// Callers may not assume that a row another one refers to still exists: rows are removed stage by stage.
package model
