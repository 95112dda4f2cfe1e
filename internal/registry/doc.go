// Package registry is the registry that every node of a cluster serves on its loopback address: what is pushed to one node can be
// pulled from every other. It joins the registry library's HTTP side to package layout, and lets in who has the node's credential.
//
// It reads and writes no table itself: package records makes the rows, and the managers commit them.
//
// Invariants:
//   - Nothing is answered without the credential but that one is needed. The credential is made anew when the daemon starts, is
//     never written down, and is given to the node's own API and agent only.
//   - It listens on loopback addresses only.
//   - The library's part is made at the first request: a node nobody pushes to or pulls from pays nothing for it.
//
// Callers may not assume that the address is free: a registry that cannot listen says so, and the node goes on without.
package registry
