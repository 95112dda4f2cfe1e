// Package local is the API of this machine's skep daemon, as the skep command calls it: over its Unix socket, or whatever
// way a client of the API has. It reads and writes no table. Callers may not assume that the daemon is of this program's version.
package local
