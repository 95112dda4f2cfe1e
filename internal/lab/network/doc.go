// Package network holds skep to what it promises of networks: names, load balancing and the routing mesh of a real
// cluster of package hosts, whose hosts forward nothing by themselves, with a client outside it that sends nothing twice.
//
// It holds tests only; it reads and writes no table. Invariants: the tests share one lab, each takes away what it made,
// and what a test breaks it mends. Limits are those skep promises, waits that promise nothing are generous. Callers may
// not assume that the tests run without root, or that a seed alone repeats a run with faults: the machine's timing is
// part of it.
//
// How many updates and faults there are is told by flags: -updates and -faults of the test.
package network
