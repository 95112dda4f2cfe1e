// Package dispatcher is the managers' end of the sessions with the nodes' agents: it tells each node what to run and
// who is reached where on the networks it is on, and writes down what the nodes report.
//
// [Machine] decides; it is a message machine: agents' messages and the store's changes in, messages and row writes
// out, time as an argument. [Server] is its shell. It reads Cluster, Root, NodeSpec, NodeIdentity, Member, Task, Allocation,
// Placement, Service, ServiceRevision, Rollout, Network, Secret, Config, Volume and VolumeState and writes TaskStatus, NodeState, Attachment and NodeVolumes.
//
// Invariants:
//   - A node is told of every task placed on it, terminal ones too, until the Task row is gone: an agent removes
//     only containers that no row wants. It is told nothing else.
//   - A change costs only the node it concerns.
//   - A task never moves backwards, a terminal status is final; a report about a task that is not placed on the node
//     it came from is ignored and counted.
//   - A report is acknowledged when it is committed, not before.
//   - Silence changes NodeState only. A node that comes back after [model.OrphanAfter] finds its tasks orphaned: that
//     is written before it is shown as ready.
//   - A node is Down only if nothing was heard of it for a whole limit in which this leader could have heard it: a new
//     leader waits twice as long, so does one that lost most of its nodes at once, and a lease that a node asked for
//     before a restart is kept by later leaders too. A broken connection is shown, and is not silence.
//   - An agent is told of the managers, of its own role, of the root to trust and of the authority its certificate is to be
//     of after its welcome, and when one of them changes.
//   - What a node was told of the networks, summed up, is what a new session would be told at once; of networks that it has
//     nothing on it is told nothing. What one step sees goes in one message, or in parts that are applied together.
//   - A task that others balance to is told to stop when every node that may balance to it has said that it does not any
//     more, or two seconds after they were told. A node whose agent has been away for less than three seconds is waited for
//     like the others, also by a new leader, which withdraws anew what it finds still running; one that is taken for dead
//     is not, nor one that was too late, until it answers a later message in time. Whatever makes a task stop goes through this one gate.
//   - A guest, a container on an attachable network that no task runs, is known by an id that its node chose; the node's
//     full sets replace what was known, and nobody else can speak for it.
//   - Times are those of receipt; an agent's clock is never asked.
//
// Callers may not assume that every state a task passed through was written: an agent reports the latest.
package dispatcher
