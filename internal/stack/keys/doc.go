// Package keys is the table of every key of the Compose Specification, and what a cluster makes of it: honoured, warned
// about or refused. docs/compose.md is written from it.
//
// It is pure, and reads and writes no table of the store. Invariants: a key that the specification's schema has and the
// table has not fails a test, so that a newer specification cannot bring keys that are dropped in silence.
//
// Callers may not assume that a key which is honoured is so with every value: what depends on the value is found by the
// conversion (package stack), and the table only says on what it depends.
package keys
