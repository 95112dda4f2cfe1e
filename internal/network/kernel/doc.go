// Package kernel makes a node's kernel hold what package network wants, and reads back what it holds: namespaces, links,
// forwarding entries, routes and policy rules by netlink, load balancing and filters by nftables, and the two accepts in
// the engine's own firewall chain by the iptables program. Nothing else in skep touches any of these.
//
// It reads and writes no table.
//
// Invariants:
//   - Every operation can be repeated: what is there already is left as it is. The first [Kernel.Sync] of a process reads
//     what an earlier one left and changes only what differs, so a restart of skep costs no packet.
//   - Namespaces of networks are bound to files and outlive the process; [Kernel.Close] leaves all in place and
//     [Kernel.Purge] alone takes all away.
//   - A container's interface is never taken away behind the engine's back: only [Kernel.Detach] removes one that is in a
//     container, and a network's namespace stays while one is connected to it.
//   - What fails in one network or container keeps nothing else from being done; what is there afterwards is read anew.
//     What fails in containers only is a [BoxError]: they may do as they like with their own namespaces, so it says nothing
//     about the node. Their rules are made anew from nothing.
//   - Rules are changed in one transaction per balancer: no connection meets half of one.
//
// The ingress network has no bridge. Each of its containers has a link of its own in the host's namespace and a route to
// it, and the one interface to other nodes is routed to as well: an engine has bridges pass balanced packets through the
// firewall and on from port to port, past all that keeps ports apart.
//
// The directory of namespaces must be in the mount namespace of the host: in one of the daemon's own, as some settings of
// a service manager give it, bindings end with the daemon, and networks with them.
//
// Callers may not call [Kernel.Sync] before they know both what the managers want and which containers run: what is not
// in the plan goes. They may not assume that a container's rules are there before [Kernel.Programmed] says so.
package kernel
