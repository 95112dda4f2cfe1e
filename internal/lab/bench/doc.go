// Package bench measures the same work on the same engine done by Docker's swarm
// mode, by skep and by the engine alone, and prints the ratios.
//
// One private engine serves all three, in turns: each round runs every side once
// and starts with another one. Docker's swarm mode is left before skep starts,
// because skep refuses an engine that is in one. All sides are watched in the
// same way, by the engine's own container events; none is asked whether it is
// done.
//
// Failover measures the loss of hosts in the same spirit: labs of five hosts, with
// skep and with Docker's swarm mode, take turns; what users see is what counts.
//
// Networks measures ways to a server on such hosts: by its service's virtual address, through another node's published
// port, and over an overlay of Docker's swarm mode, second by second in turns.
//
// Spread measures a service's tasks on an overlay network over three workers: made, scaled, updated, moved by a drain,
// removed; beside it as many containers by the workers' engines alone.
//
// Registries measures how long it takes until an image pushed by one host runs on five whose links are slow: through the cluster's
// registry, and through a plain one on one of the hosts.
//
// Lists measures long lists by the docker command: the API over a state in memory, and the same answers ready.
//
// Clusters has skep sim measure managers of clusters of some sizes, with simulated engines, and draws what grows with the size.
//
// It reads no tables; for Lists it fills a store of its own. Invariants: a figure is a median over rounds of
// one run; nothing is reported for a side that did not finish the work. A caller
// may not assume that seconds from two runs can be compared, only ratios within
// one.
package bench
