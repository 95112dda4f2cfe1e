// Package validate refuses specs that cannot be meant, with Docker's status codes and sentences, and gives
// what is left out the values swarm gives it. It is pure; it reads no tables.
//
// Invariants: Service checks in swarm's order, so that a spec with two mistakes is told the same one; a spec
// that passes may still name networks, secrets or nodes that do not exist. Callers may not assume that a
// valid spec can run: Unsupported says what skep does not do yet.
package validate
