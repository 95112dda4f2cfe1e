// Package doctor says what is missing or wrong on a host, what that does, and which command mends it: what was found out
// about the host in, findings out. Package examine finds it out.
//
// It is pure, and reads and writes no table.
//
// Invariants: nothing is said about what could not be looked at, but that it could not. Every finding names a command.
// Callers may not assume that a host without findings stays so, or that a daemon there can do without anything that is
// not looked at.
package doctor
