// Package manager is one manager: the replicated store, and while it leads, the stages of one leader term.
//
// It joins the log (store/raft) to the tables (store): entries are batches, applied in order, and whoever committed
// one learns its outcome. It writes one table itself, Member, from the log's changes of members. Everything else is
// decided by the stages below this package, which it starts when the member leads and ends when it leads no more.
//
// Invariants: a batch's outcome is told once, after it is visible in the store; a term's first error ends the whole
// term, never a part of it; no stage of an old term runs beside one of a new term.
//
// Callers may not assume that a committed batch failed because its Pending says [store.ErrUnknownOutcome].
package manager
