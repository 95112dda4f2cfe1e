// Package machinecmd is skep machine: hosts made nodes, looked at, upgraded and removed, from where a person works.
//
// It reads and writes no table; package fleet does what is asked. Invariants: what goes on is told on the error output, what
// was asked for on the output. Callers may not assume that a machine is reached: each command says which was not.
package machinecmd
