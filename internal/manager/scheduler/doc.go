// Package scheduler chooses the node of each task.
//
// It reads NodeSpec, NodeState, NodeIdentity, Task, Slot, Service, ServiceRevision, Rollout, Network, Volume, VolumeState, Allocation and
// TaskStatus, and is the only writer of Placement. A task gets a row once its allocation is done and it is wanted (Desired below Shutdown):
// with a node, or with the reason there is none, in Docker's words with counts per filter. The row goes with its task.
//
//	waiting tasks of one revision → what it depends on → the node with their slot's volumes → filters, once per class of nodes
//	→ tree of spread preferences → emptiest node, or the fullest one with room
//
// What tasks ask for is a profile (profile.go), which revisions that ask alike share. The attributes of nodes that any profile
// asks about part the nodes into classes (class.go): what does not change from task to task is asked of one node of each. In a
// class the nodes stand in a tree (ranks.go) that finds the one with the fewest tasks that has room, or of a service that asks for it
// (model/placement) the fullest one, without asking the others.
// So a task costs the logarithm of the number of nodes, times the number of classes.
//
// A Plan places a bounded number of tasks, and of one revision no more than a part of those at a time, in turns (place.go), and
// says of as many why they wait: the rest comes in the next one. A service of many tasks, or one that fits nowhere, holds up no other.
//
// A task of a service that depends on others (package await) is given a node once that holds; until then its row says what
// it waits for. That goes for each of its tasks, whyever it is made; one that has a node keeps it.
//
// A task with a named volume of the local driver goes back to the node where its slot had it, if that can take it: this
// is a preference, before all others, and swarm mode has none like it.
//
// Invariants:
//   - A placement with a node is final; a task never moves.
//   - No node is given more than it has: reservations, host ports and replicas per node are counted from the moment
//     of the decision until the task's agent says that it ended.
//   - Of generic resources that have names each value is one task's at a time, from the decision until the task's agent
//     says that it ended; its placement says which.
//   - A row is written only when it says something new: trying again in vain writes nothing. How many of another service's
//     tasks are awaited is written of a task once a second at most.
//
// The planner keeps what it counted of the rows (usage.go) from one Plan to the next, so that a decision costs the
// same whatever the number of running tasks. This is a cache of the view and nothing else: each key in Plan brings
// its own part up to date first, the one key of All starts it over, and a planner that has seen every change decides as a new one
// would. A Planner therefore belongs to one loop, and to one term of one leader.
//
// Callers may not assume that tasks are placed in the order they were created: a smaller one may pass a larger one
// that waits.
package scheduler
