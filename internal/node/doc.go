// Package node is one skep daemon: the agent beside a Docker Engine and, on manager nodes, a manager. [Config] is
// everything it is told when it starts.
//
// It reads and writes no table itself. Invariants: it alone in the product opens sockets and owns the goroutines of the
// components it wires. Callers may not assume that a valid [Config] can be served: an address may be in use.
package node
