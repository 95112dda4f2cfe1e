// Package conformance is the suite every implementation of [executor.Executor] passes. It reads and writes no table.
//
// Invariants: a case uses only tasks it asked its harness for, and leaves no container behind; it waits for changes
// through Watch or for a call's return, never for a time to pass, so that it runs in a synctest bubble as well as on
// real containers. Callers may not assume an order of the cases.
package conformance
