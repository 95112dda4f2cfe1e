// Package network decides what one node's data plane is to be: it keeps what the managers told of the cluster's
// networks ([Fabric]) and derives from it, and from the containers that are on this node ([Sandbox]), everything the
// kernel has to hold.
//
// It reads and writes no table and touches nothing: decisions are pure. Package kernel carries them out and reads what
// is there, package dns answers names from the same Fabric, package dataplane drives all three.
//
// Invariants:
//   - A Fabric is immutable: [Fabric.Apply] makes the next one and shares with it what did not change, so that whoever
//     compares two of them need only look at what is not the same pointer.
//   - So is a Desired, and [Replan] shares with the one before in the same way. [Diff] of the same two is the same list.
//   - An endpoint that does not serve is reachable at its address and is never balanced to or told as an answer.
//   - Link addresses follow from IP addresses ([MAC]), names of links from their endpoint ([LinkName]): two nodes never
//     have to agree on more than the managers say.
//
// Callers may not assume that a node is told of networks it has no container on.
package network
