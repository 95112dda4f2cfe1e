// Package allocator gives every network, service, task, node and guest what the cluster hands out: VXLAN numbers and
// subnets, addresses, virtual addresses and published ports.
//
// It reads Cluster, Network, Service, ServiceRevision, Rollout, Task, Placement, TaskStatus, NodeSpec, NodeState and
// Attachment, and is the only writer of Allocation and of Cursor, which says where the search for a free address goes
// on. Each owner that may use something has one row; Done says that it needs nothing more, otherwise Err says in one
// sentence what it waits for.
//
// Invariants:
//   - No two networks' subnets overlap, whoever chose them, and no two have one VXLAN number.
//   - A network's subnet never changes; user-given subnets are taken as given or refused, never adjusted.
//   - No two owners have the same address on a network, none has the gateway's, and no two services the same port of the
//     routing mesh: the one that had it first keeps it.
//   - What an owner has it keeps for as long as it needs it: a task until [model.Observe] calls it terminal, a service a
//     virtual address or port for as long as one of the revisions its tasks are of needs it.
//   - A task has an address on each of its networks or none at all, and only with those is it Done.
//   - What frees something (a network removed, a pool added, a task ended) makes everything that waits due again.
//   - A row goes with its owner; a task's already when it has ended.
//
// Addresses are given in rising order, around and around: what a container that has ended had is nobody's for as long as
// there are others, because whoever still has it in a cache would reach the wrong container. Ports and numbers are the
// lowest that are free.
//
// The planner is pure and keeps nothing between calls. What is in use it looks up where its search stands, in the
// store's index of addresses; the only walk over a whole network is the count that the warning of [model.Allocation]
// needs, every few seconds at most. To widen it: a resource is one file (subnet, vni, space, port) with what is taken,
// read from the rows, and a choice of what is free; an owner's file says which it needs.
//
// A leader begins with everything. Two rows that have the same, which no planner writes, are put right: the one that
// may not move keeps it, the other is given another, and its Repaired says so.
//
// Callers may not assume that a service that waits has nothing: what it could get, or had before an update, it has.
package allocator
