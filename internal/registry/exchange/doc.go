// Package exchange is how the nodes of a cluster share the blobs of its registry: a blob that is pushed is given to other nodes
// before it counts as kept; one that is asked for and is not here is fetched from a node that has it, and kept.
//
// It writes no table itself: through [Cluster] it tells the managers what this node has (ImageBlob, ImagePeer), and asks them who
// else has what.
//
// Invariants:
//   - [Exchange.Keep] returns without an error only when the blob is on this disk and on those of as many other nodes as are
//     wanted and there, and the managers know it.
//   - What is fetched is held against its digest; what does not match is never kept and the node that sent it not asked again.
//   - A node gives one blob to one other at a time and names it to whoever asks meanwhile, and that one gives it on as it comes:
//     those that want it at the same time form a chain, in which each receives and sends it once.
//   - Of a chain who gives has more of the blob than who asks, so there is no circle in it.
//   - One blob is fetched once at a time, however many ask for it, and all of them read it as it comes.
//   - A copy that others keep too is only removed after the managers have taken it off the list.
//
// Callers may not assume that a reader's first bytes are of a blob whose rest will come: its error may be the last thing read.
package exchange
