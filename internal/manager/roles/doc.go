// Package roles decides what nodes are granted, and what the managers' group may lose.
//
// Its [Planner] reads NodeSpec (the role asked for), NodeIdentity, Revocation and Member, and writes NodeIdentity's role
// and Revocation (writer identity). Who is a member of the group is decided by [Quorum] and [Unwanted] and brought about
// by package group, beside the loop.
//
// A promotion goes: role asked for, role granted, the node's next certificate, its entry into the group. A demotion goes
// the other way round: role asked for, out of the group, role granted, the next certificate. So a member of the group
// is always granted the manager's role, and a manager that is cut off keeps it until the group is safe without it.
//
// Invariants: a node that is removed is revoked no later than its identity goes; a revocation outlives every
// certificate of its node; nothing that [Quorum] accepts leaves the group without a majority that answers.
//
// Callers may not assume that a granted role is one the node has taken up: its certificate tells.
package roles
