// Package group brings the managers' raft group in line with what is asked of the nodes: who enters, who leaves, at
// which address a member is reached. What may be done is decided by package roles; here are the changes themselves.
//
// It reads NodeSpec and NodeIdentity. The Member table follows the changes it makes, by raft's own hand.
//
// Invariants:
//   - A member enters as a learner, and votes only when it has answered and holds the log as it was when it entered.
//   - On one leader changes are checked and made one after the other, so that two that are harmless alone do not lose
//     the quorum together. A leader of a later term has applied what an earlier one made.
//   - The leader is not removed: leadership is handed to a member that stays, and the new leader removes the old one.
//   - Only a node that is asked to be a manager and was granted it enters; only the node itself departs.
//
// Callers may not assume that a change which failed did not come about: [Group.Enter] and [Group.Depart] are called
// again, and do what is still to be done. A raft id that has left the group never comes back: a node that becomes a
// manager again draws a new one, with a new log.
package group
