// Package events turns changes of the store into Docker's events of cluster objects and keeps the newest in
// a ring, so that a listener can ask for what happened since a time. It reads the feed of the tables of
// services, revisions, rollouts, allocations, nodes, networks, secrets and configs and writes none.
//
// Invariants: events come in log order, numbered without gaps; the ring is bounded. Callers may not assume
// that the ring reaches back before this daemon started, nor that an event is still in the store's view.
package events
