// Package localtest is a daemon for tests of the commands that ask one.
//
// It reads and writes no table. Invariants: it listens on a socket of its own until the test ends. Callers may not assume that
// it answers anything but what their handler does.
package localtest
