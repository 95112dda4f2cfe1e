// Package check finds out whether this node and the others reach each other as the overlays need it: pings and UDP
// packets, small and as large as an overlay's packets get, straight and through the overlay.
//
// The other side needs nothing for pings but its kernel; for UDP each node echoes what other nodes send to [Port] at its
// address on the ingress network, which only packets inside the overlay reach. What answers and what does not tells
// apart a node that is down, a closed port, a way that carries less than it should, and checksums that a network card
// gets wrong.
//
// It reads and writes no table. Which packets to send and what their fate means are pure functions, [Probes] and
// [Judge]; [Checker] sends and echoes.
//
// Invariants:
//   - Nothing is said about what was not tried: a node that is down or has no address yet is listed as left out.
//   - A packet counts as lost only after [tries] of it were.
//   - Only nodes of the cluster get an echo, and never more bytes than they sent.
//
// Callers may not assume that a check changes anything, or that it finds what only containers see.
package check
