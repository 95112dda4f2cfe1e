// Package store keeps the cluster's state: typed tables with indexes, published as immutable views, changed only by
// applying batches in log order.
//
// It owns all tables of package model and is the only code that knows how a row looks on disk (schema.go gives each
// table its number, writer, indexes and fields). It decides nothing: writers hand it [Batch]es, the replicated log
// orders them, [Store.Apply] carries them out.
//
// Invariants:
//   - Each table has exactly one [Writer]; a batch that touches a foreign table is refused. The commits of init and of
//     a node's join create rows of several writers, and change none.
//   - A batch is applied as a whole or not at all: first its conditions and the unique indexes are checked, in log
//     order, then its rows are written. The outcome is a function of the log alone, equal on every member.
//   - A placement that comes after its task was told to stop is left out; the rest of its batch is written.
//   - A row handed out is immutable. A [View] never changes.
//   - Times are stamped by the entry and never go back; a row's Index is the raft index of its last write.
//
// Callers may not change a row after they put it in a [Change], nor assume that two views taken one after the other
// are equal.
package store
