// Package orchestrator keeps, for every slot of every service, the task that the service's active revision asks for:
// it creates, replaces, restarts, updates, moves and removes tasks. It is the planner that writes Task, Slot and
// Rollout; it reads Service, ServiceRevision, Cluster, NodeSpec, NodeState, NodeIdentity, Allocation, Placement and
// TaskStatus.
//
// Work is proportional to what changed: a task's status concerns its slot only. The whole service is looked at when
// something else is asked of it and while it is being rolled out.
//
// Invariants:
//   - A task's Desired only moves forward: Ready, Running, Shutdown, Remove.
//   - Of a slot's tasks at most one is wanted (Desired at most Running), but for a start-first replacement, which is
//     wanted beside the old task until it runs.
//   - A replacement is Ready, that is prepared, while the task before it stops and while its restart delay lasts; it
//     is Running when neither is the case any more. A task on a lost node is not waited for.
//   - Whether a slot's ended task is followed by another is decided from rows alone and so always the same way.
//   - A row is deleted only when nothing of the task can run any more; the newest task of a wanted slot is kept.
//   - Planning twice without a change outside plans nothing.
//
// It differs from swarm mode on purpose: a replacement in stop-first order waits for the old task without a time
// limit (swarm starts it after a minute, so that two run); a node's loss or drain costs none of the attempts of a
// restart policy and no delay, and follows the update order.
//
// Callers may not assume that a task's Reason is why it was created once it is no longer wanted, nor that jobs are
// served: a service of a job mode has no tasks.
package orchestrator
