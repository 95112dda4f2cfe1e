// Package placement is how a service's tasks are to be laid over the nodes that can take them: a label
// "skep.placement.strategy" of its own.
//
// It is pure, and reads and writes no table. Invariants: without the label tasks are spread, as swarm mode does; a value that is
// no strategy is refused before it is written.
//
// Callers may not assume that a strategy outweighs anything else: constraints, spread preferences and the limit of replicas per
// node come before it.
package placement
