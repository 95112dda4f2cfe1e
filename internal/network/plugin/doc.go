// Package plugin speaks Docker's network plugin protocol: it serves the socket an engine finds its network drivers at, and
// turns the engine's calls into calls of a [Driver]. The protocol is written out here rather than taken from a library
// since a call that the engine gave up has to be noticed: one may wait for the managers.
//
// It reads and writes no table and keeps no state.
//
// Invariants:
//   - The scope is local: each engine has networks of its own, and it is the managers that make them one.
//   - A call that fails answers with one plain sentence, which the engine shows to its user as it is.
//   - Calls may come more than once and in any order; a Driver has to bear that.
//
// Callers may not assume that the engine tells everything: after it was killed it forgets to leave networks, and after
// a restart it does not say again which networks and endpoints there are.
package plugin
