// Package load is the client of skep's network tests and benchmarks: it asks servers of package web over and over, tells
// what failed, when and why, and how long the rest took. It is part of the whoami program, so that it can be run in
// containers whose image holds nothing else.
//
// It uses the standard library only. It reads and writes no table.
//
// Invariants: nothing is sent twice. A request that fails on a connection that was kept is a failed request, an address
// that does not answer is not followed by the next. Callers may not assume that the rate asked for is reached: the
// report says how many requests there were.
package load
