// Package attach reads and rewrites the requests by which plain containers join cluster networks. It is pure; it reads
// no tables.
//
// The engine's networks that carry the cluster's leave addresses to the managers, so what a user asks of an address
// goes to the network plugin as an option; and names are asked at the network's gateway, which the engine is told as the
// container's DNS server unless the user named one.
//
// Invariants: what is not about a cluster network stays as it was sent; a body that cannot be read is left to the
// engine, which refuses it in its own words. Callers may not assume that a body they get back is the one they gave.
package attach
