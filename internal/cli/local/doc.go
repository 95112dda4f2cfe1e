// Package local is the API of this machine's skep daemon, as the skep command calls it: over its Unix socket and no other
// way. It reads and writes no table. Callers may not assume that the daemon is of this program's version.
package local
