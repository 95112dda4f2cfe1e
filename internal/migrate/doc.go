// Package migrate decides what of a running swarm a cluster is to have: the swarm's objects in, without what is only that
// swarm's own, then the writes that a cluster lacks, and in sentences what is not carried, what is another thing here, and what
// a person has to see to.
//
// It is pure, and reads and writes no table: what two APIs say in, findings and a plan out. Invariants: in what is wanted an
// object refers to others by name, never by id; every object of the swarm is wanted or in a finding; a plan with problems has to
// be left alone as a whole; a plan made of a cluster that has all that is wanted is empty; what is there under a wanted name and
// is another thing is told, and changed only where that is asked for.
//
// Callers may not assume that what is wanted has the content of secrets: no API tells it. Nor may they assume that a plan
// without problems is taken: the cluster has the last word on each write.
package migrate
