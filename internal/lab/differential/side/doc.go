// Package side gives the comparison harnesses the two parties they hold
// against each other: Docker's own swarm mode, and skep beside a plain engine.
//
// A Side is one private Docker Engine in network and mount namespaces of its
// own, with the test image in it, and the address a client has to talk to: the
// engine's own socket for Docker's swarm mode, skep's socket for skep. It runs
// stock docker CLI lines (Shell) and raw API calls (Call) against that address.
//
// It reads and writes no tables. Invariants: both sides start from the same
// state (no swarm, one image, the same address in the same kind of namespace),
// and Close ends every process the side started and removes its files. A caller
// may not assume that two sides share anything but the host's clock and kernel.
package side
