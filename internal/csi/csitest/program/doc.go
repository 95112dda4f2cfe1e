// Command program is the driver of package csitest as a process of its own or, with -ledger, the service that counts on in a file
// of its volume. It reads and writes no table; the driver's volumes are below -place.
//
// Invariant: a driver that is told to crash ends with status 3, and nothing else does.
//
// Callers may not assume that a socket means a driver: one that crashed leaves it.
package main
