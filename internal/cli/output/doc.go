// Package output is how skep's commands say what they did.
//
// It reads and writes no table. Invariants: what a command was asked for goes to its standard output, and nothing else does. Callers
// may not assume that it was read: an error is that of the writer.
package output
