// Package dataplane runs one node's part of the cluster's networks: it takes what the managers say, the engine's calls and
// what becomes of the containers, has the kernel hold what package network plans and the name server answer the same, and
// acknowledges it.
//
// It reads and writes no table. What it must not forget it keeps in three places, as long as what they describe lives:
// the managers' last word and the engine's networks on disk, the containers' places on networks in memory-backed files
// beside the kernel's own objects.
//
// Invariants:
//   - One goroutine alone, that of [Plane.Run], has the kernel changed and the names set; everything else waits for it.
//   - A message is acknowledged when kernel and names are as of it, never before, and with it all before it.
//   - A place on a network ends when the engine says so, or when the engine was found twice not to have it: what the engine
//     forgets to say is noticed.
//   - A daemon that ends leaves the kernel as it is, so that no packet is lost by a restart. One that starts answers names
//     at once as of what it kept, and the kernel goes back to that only if no manager speaks for three seconds: it is newer.
//     Only [Plane.Purge] takes everything away.
//   - Every few seconds kernel and engine are compared with what is desired, beside the loop and no more than a twentieth of
//     the time; what differs is repaired and counted. The way to other nodes is looked at again, too.
//
// Callers may not assume that a container has its networks when its process starts: [Plane.Ready] tells.
package dataplane
