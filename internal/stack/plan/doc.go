// Package plan compares a stack with what a cluster has, and says what is to be written: what is missing is made, a service
// is updated if its spec is another, and nothing else is touched.
//
// It is pure, and reads and writes no table: the cluster's answers in, the writes out. Invariants: what stands in the way of
// any write is a problem, and a plan with problems has to be left alone as a whole; a plan made of a cluster that has the
// stack already is empty. A version of a secret or config is old only when neither a service nor its previous spec, which
// a rollback brings back, nor a revision of the stack refers to it.
//
// Callers may not assume that the cluster stays as it was read: it checks every write again.
package plan
