// Package dispatcher is the managers' end of the sessions with the nodes' agents: it tells each node what to run and
// writes down what the nodes report.
//
// [Machine] decides; it is a message machine: agents' messages and the store's changes in, messages and row writes
// out, time as an argument. [Server] is its shell. It reads Cluster, NodeSpec, Task, Allocation, Placement,
// ServiceRevision, Network, Secret and Config and writes TaskStatus and NodeState.
//
// Invariants:
//   - A node is told of every task placed on it, terminal ones too, until the Task row is gone: an agent removes
//     only containers that no row wants. It is told nothing else.
//   - A change costs only the node it concerns.
//   - A task never moves backwards, a terminal status is final; a report about a task that is not placed on the node
//     it came from is ignored and counted.
//   - A report is acknowledged when it is committed, not before.
//   - Silence changes NodeState only.
//   - Times are those of receipt; an agent's clock is never asked.
//
// Callers may not assume that every state a task passed through was written: an agent reports the latest.
package dispatcher
