// Package find finds one object by what the user calls it: its id, its name, or an unambiguous prefix of
// its id, in that order, in Docker's words when there is none or more than one. It is pure. It reads the
// tables of services, tasks, nodes, networks, secrets and configs and writes none.
//
// Callers may not assume that the row is still there when they commit.
package find
