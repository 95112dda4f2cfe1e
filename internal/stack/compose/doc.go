// Package compose reads Compose files: it finds them, has compose-go load them, and says where each key that a cluster does
// not honour stands.
//
// It reads files and writes none; it reads and writes no table. Invariants: what it returns needs no file any more: the
// contents of configs and secrets are in it. What compose-go says to its log is among the findings.
//
// Callers may not assume that two loads can run at the same time: compose-go has one log for the whole program.
package compose
