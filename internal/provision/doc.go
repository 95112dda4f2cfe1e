// Package provision decides how bare machines become nodes of a cluster, and how a cluster's nodes go over to another skep:
// what was found on a host in, what is still to do out. Package fleet does it, a driver reaches the hosts.
//
// It is pure, and reads and writes no table.
//
// Invariants:
//   - The host is the truth. Every step is decided from what was found there a moment ago, so that a run that broke off at
//     any point is gone on with by running again, and a second run finds nothing to do.
//   - A cluster is founded only where every machine that is to be a manager was reached and none of them is in a cluster:
//     a manager that is out of reach may have one.
//   - In an upgrade the workers go first, then the managers, the leader last.
//
// Callers may not assume that a plan is complete: what a step brings to light is planned for when the host is looked at
// again.
package provision
