// Package render computes Docker's objects (Service, Task, Node, Swarm, Network, Secret, Config) from the
// rows of the stages. It is pure. It reads every table and writes none.
//
// Invariants: a service's Spec is the active revision of its rollout once the rollout has taken up what was
// asked, before that the revision asked for; its Version.Index never falls; secret data is never in an
// answer. Callers may not change what is returned below the first level: it belongs to the store.
package render
