// Package netcmd is skep net: what it asks of the daemon and how it shows the answer.
//
// It reads and writes no table. Invariants: what was not checked is said, and counts as much as something found: the
// command succeeds only when everything asked for was checked and is well. Callers may not assume that the daemon is of
// this program's version.
package netcmd
