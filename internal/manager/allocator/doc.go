// Package allocator gives every network, service and task what the cluster hands out: today subnets, later
// addresses, virtual addresses, network ids and ports.
//
// It reads Cluster, Network, Service, ServiceRevision, Rollout, Task, Placement, TaskStatus and NodeState, and is the
// only writer of Allocation. Each owner that may use something has one row; Done says that it needs nothing more,
// otherwise Err says in one sentence what it waits for.
//
// Invariants:
//   - No two networks' subnets overlap, whoever chose them.
//   - A network's subnet never changes; user-given subnets are taken as given or refused, never adjusted.
//   - What frees something (a network removed, a pool added) makes everything that waits due again.
//   - A row goes with its owner; a task's already when [model.Observe] calls it terminal.
//
// The planner is pure and keeps nothing between calls. To widen it: a resource is one file (subnet.go is the model)
// with what is taken, read from the rows, and a choice of what is free; an owner's file says which it needs.
//
// Callers may not assume that a task has addresses: in a cluster of one node the engine assigns them.
package allocator
