// Package listen opens the sockets the API is served on: Unix sockets, TCP with mutual TLS, and those that
// systemd passes. It reads and writes no tables.
//
// Invariants: a Unix socket is never open to others than root and its group, not even for a moment; a socket
// that somebody listens on is refused, one that is left over is replaced; TCP without mutual TLS is refused
// unless it is asked for by a name that says what it means. Callers may not assume that a port given as 0 is
// the port that is listened on.
package listen
