// Package identity is the cluster's certificate authority: its root, the join tokens made of the root's digest and a
// secret, and the certificates that name a node, its role and its cluster.
//
// It is pure: randomness and time come in as arguments, keys and certificates go out as PEM; who stores them is the
// caller's matter (the Root and NodeIdentity tables, writer identity).
//
// Invariants: keys are ECDSA P-256; a node certificate carries the node's id as CommonName, its role as
// OrganizationalUnit and the cluster's id as Organization, as swarm's do.
//
// Callers may not assume that a certificate is still valid: NotAfter says until when.
package identity
