// Package fleet is the machines that a user keeps, and what is done with them: made nodes, upgraded, looked at, removed. What
// is to be done is decided by package provision, from what is found on the hosts.
//
// It reads and writes no table: it talks to daemons through their API, as any user does, and to hosts through drivers. What
// it keeps of a machine, below the user's configuration, is how to reach it and which role it is to have.
//
// Invariants:
//   - One process at a time works on a directory of machines.
//   - A machine is written down before anything is done to it, so that a run that breaks off leaves none unknown.
//   - What is kept says nothing about how far a host is. Each run looks.
//   - An upgrade takes one node down at a time, and goes on only when that one and all the others are well.
//
// Callers may not assume that a host which an earlier run made is still so.
package fleet
