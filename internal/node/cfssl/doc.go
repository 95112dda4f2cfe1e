// Package cfssl asks external certificate authorities to sign, by the protocol of CFSSL that swarm speaks: a request is
// posted as JSON to a URL over mutual TLS, and the certificate comes back in the answer's result.
//
// It reads and writes no table, and judges nothing: what came back is held against what was asked by its caller.
//
// Invariants: an authority is spoken to only over TLS that proves to be of the roots named; an answer is read up to
// [maxAnswer]. Callers may not assume that an authority which did not answer has not signed.
package cfssl
