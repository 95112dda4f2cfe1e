// Package reading asks the API of a cluster, Docker's swarm mode or skep, for all that package migrate decides on.
//
// It reads and writes no table; it only asks, and changes nothing. Invariants: what a service refers to is asked for by its id
// where no list has it. Callers may not assume that the answers are of one moment: a cluster that is changed meanwhile may be
// read half before and half after.
package reading
