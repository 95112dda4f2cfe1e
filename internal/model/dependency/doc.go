// Package dependency is what a service waits for before its tasks start: labels "skep.depends-on.SERVICE=CONDITION" of its
// spec, with the conditions of the Compose Specification.
//
// It is pure, and reads and writes no table (manager/await holds dependencies against the tables). Invariants: a label
// under the prefix is understood or refused, never ignored; a dependency is found under at most two names, of which that of
// the service's own stack comes first.
//
// Callers may not assume that the service named exists, now or ever.
package dependency
