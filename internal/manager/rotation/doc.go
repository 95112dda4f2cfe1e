// Package rotation brings a cluster from one certificate authority to the next without losing a node.
//
// [Ask] decides what an update of the cluster's settings asks for: it makes, or checks, the new root, has it certified
// by the present one and returns it as a RootSpec for the api to write. The [Planner] carries it out. It reads Root,
// RootSpec, NodeSpec, NodeState and NodeIdentity and writes Root, and NodeIdentity's Issuer (writer identity).
//
// From the moment a RootSpec is written all certificates are signed by the new root, and come with that root as
// certified by the old one: nodes, which trust the old root, believe them. The planner has the nodes renew, some at a
// time; when every node of the cluster says that it uses a certificate of the new root, the new root becomes the Root,
// and all are told to trust it instead. Its certification by the old one stays with it, and goes with every
// certificate: a node that was off at that moment still believes the managers, and is told.
//
// Invariants:
//   - The root becomes another one only when every node in the cluster has said that it uses a certificate of it. A node
//     that is down holds the rotation up until it is back or is removed, as in swarm.
//   - A node is asked to renew only while it can be heard, and at most [atOnce] are on it at the same time.
//   - Another rotation that is asked for meanwhile takes over: it starts from the root that the nodes trust, never from
//     one that they were on their way to.
//   - Private keys go from RootSpec to Root and into nothing else.
//
// Callers may not assume that a rotation ends: with a node that never comes back it goes on until the node is removed.
package rotation
