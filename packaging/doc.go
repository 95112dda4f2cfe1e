// Package packaging holds the files by which a host's init system starts skep, for those who install them by hand and for
// skep machine.
//
// It reads and writes no table. Callers may not assume that a host has what a file is for.
package packaging
