// Package labcmd is skep lab: a cluster of several hosts on one machine, to try skep on and to break. The work is done by
// package lab/hosts; here are its commands.
//
// It reads and writes no table.
//
// Invariants: every command is a process of its own and finds the lab by its directory; what a command on a host prints
// and returns is passed on unchanged.
//
// Callers may not assume that exec and client return: they become the command they run.
package labcmd
