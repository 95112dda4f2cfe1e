// Package policycmd is skep policy: which services may have what Docker's specs have no field for.
//
// It reads and writes no table. Invariants: a change says what it did; nothing is changed by a command that fails. Callers
// may not assume that the daemon is of this program's version.
package policycmd
