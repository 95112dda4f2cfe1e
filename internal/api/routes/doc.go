// Package routes is the table of the Docker Engine API: every route, and who answers it. It reads and
// writes no tables of the store.
//
// Invariants: every path and method of the newest swagger is in the table, once; a pattern's {id} is one
// path segment, its {name} one or more. Callers may not assume that a route missing here does not exist:
// a newer engine may know it, so it is passed on.
package routes
