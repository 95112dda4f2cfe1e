// Package cluster breaks real clusters and holds skep to its promises: hosts of package hosts join, leave, change roles,
// lose power and connections, and the stock docker CLI and client say what became of it.
//
// It holds tests only; it reads and writes no table. Invariants: every test has a lab of its own, which ends with it;
// limits are those skep promises, waits that promise nothing are generous. Callers may not assume that the tests run
// without root, or that a chaos test's seed alone repeats it: the machine's timing is part of the run.
package cluster
