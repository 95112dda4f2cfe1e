// Package machines has hosts of skep lab be machines of skep machine, by a driver that needs no SSH; its tests make bare
// hosts a cluster by the other driver, break the command off, and upgrade the cluster while it is asked.
//
// It reads and writes no table. Invariants: what the driver runs on a host ends with the command. Callers may not assume
// that a host has an SSH server.
package machines
