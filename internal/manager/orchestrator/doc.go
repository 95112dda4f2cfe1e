// Package orchestrator keeps, for every slot of every service, the task that the service's active revision asks for:
// it creates, replaces, restarts, updates, moves and removes tasks. It is the planner that writes Task, Slot and
// Rollout; it reads Service, ServiceRevision, Cluster, NodeSpec, NodeState, NodeIdentity, Allocation, Placement and
// TaskStatus.
//
// Work is proportional to what changed: a task's status concerns its slot only. The whole service is looked at when
// something else is asked of it and while it is being rolled out.
//
// Invariants:
//   - A task's Desired only moves forward: Ready, Running or, of a job, Complete, Shutdown, Remove.
//   - Of a slot's tasks at most one is wanted (Desired at most Complete), but for a start-first replacement, which is
//     wanted beside the old task until it runs.
//   - Of a job (job.go) at most MaxConcurrent slots have a task that is wanted and has not completed; a slot one of whose
//     tasks has completed in an iteration gets no further one in it. A task that completed keeps Desired Complete.
//   - A replacement is Ready, that is prepared, while the task before it stops and while its restart delay lasts; it
//     is Running when neither is the case any more. A task on a lost node is not waited for.
//   - Whether a slot's ended task is followed by another is decided from rows alone and so always the same way.
//   - An active node's tasks that are to go on there reserve no more than it offers, but for those of jobs. When it comes
//     to offer less the younger ones are Displaced (displace.go): they leave, and that is never taken back.
//   - An update stops no task that runs while what the service depends on (package await) does not hold: the task that
//     follows would wait for that.
//   - A row is deleted only when nothing of the task can run any more; the newest task of a wanted slot is kept.
//   - Planning twice without a change outside plans nothing.
//
// The planner remembers from one Plan to the next which updates wait for other services, so that it is seen when they need no
// longer. This is a cache of the view, which All starts over: a Planner belongs to one loop, and to one term of one leader.
//
// It differs from swarm mode on purpose: a replacement in stop-first order waits for the old task without a time
// limit (swarm starts it after a minute, so that two run); a node's loss or drain costs none of the attempts of a
// restart policy and no delay, and follows the update order; of tasks that no longer fit on their node the younger ones
// go, not any, and of generic resources those whose values are not there, where swarm rejects those whose values are.
//
// A job is as in swarm mode: whatever is asked of it begins a new iteration, there is no rolling update, and the tasks
// of a drained node, or of one that offers less than before, run to their end. It differs in that MaxAttempts holds for
// jobs, too, that a task on a lost node is replaced, and that a slot's next task waits for that of the iteration before.
//
// Callers may not assume that a task's Reason is why it was created once it is no longer wanted.
package orchestrator
