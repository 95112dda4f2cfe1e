// Package authority is the certificate authority at work: it takes nodes in that bring a join token, and gives nodes of
// the cluster their next certificates.
//
// It reads Cluster, Root, RootSpec, NodeSpec, NodeIdentity, Revocation and Member. A join creates NodeSpec and NodeIdentity in
// one commit (writer join); a renewal changes the certificate in NodeIdentity (writer identity), never the role, which
// is package roles' to grant. It opens no socket: what a request says comes in as a message, the answer goes out as one.
//
// Invariants:
//   - A certificate leaves only after its row was committed; a join that is refused has written nothing.
//   - The token is held against the cluster as it is when the rows are written: one that was rotated away meanwhile no
//     longer lets anybody in.
//   - A join that is sent again with the same key, as after a broken connection, gives the same node.
//   - The role in a certificate is the granted one, whatever is asked.
//   - A certificate is of the authority that signs when its row is written, and leads to the root that nodes trust then.
//
// Callers may not assume that a join which failed without [ErrRefused] wrote nothing: they send it again as it was.
package authority
