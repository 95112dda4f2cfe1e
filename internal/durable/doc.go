// Package durable puts files where a power loss finds them.
//
// It reads and writes no tables. Invariant: what returned without an error is on the disk. Callers may not assume that a
// file was replaced as a whole: they write another one, rename it, and sync the directory.
package durable
