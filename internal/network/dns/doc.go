// Package dns answers the names of a node's containers: one [Server] for the node, which serves a pair of sockets for each
// overlay, on the overlay's gateway address.
//
// Who asks is known by the overlay and the source address. A container sees the names of every network it is on, and of
// no other: services and their aliases (the VIP, or the tasks' addresses where there is none), tasks.SERVICE, its
// neighbours' own names, each also with the network's name behind it, and the way back from an address. Everything else
// is asked of the container's upstreams, or the host's, from the host's own network.
//
// It reads and writes no table. What is answered is decided by pure functions over [Zones], which [MakeZones] makes from a
// network.Fabric; the rest of the package is sockets.
//
// Invariants:
//   - An answer never has the address of an endpoint that does not serve. Answers have a TTL of 0: a second is the
//     smallest other one, and an ended task must be forgotten everywhere within half of that.
//   - A name that a network of the asker has is never asked of an upstream, whatever the type of the question. Nor is an
//     address of any of this node's overlays.
//   - A container whose interfaces are not programmed yet gets no answer until they are, or SERVFAIL after two seconds:
//     the VIP it was told would lead nowhere.
//   - A query takes no lock unless it has to wait.
//
// Callers may not assume an order of addresses: each answer is shuffled. They may not change a Zones once it is set.
package dns
