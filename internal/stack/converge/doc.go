// Package converge says whether a service has become what it was asked to be: how many of its tasks run as its spec asks,
// whether its update was given up, and what its tasks say is wrong.
//
// It is pure, and reads and writes no table: a service and its tasks in, a state out. Invariants: an update that was paused
// or rolled back is a failure, however many tasks run. Callers may not assume that a service which is there once stays so:
// a task may fail a moment later, and they have to look again for as long as the service's update is monitored.
package converge
