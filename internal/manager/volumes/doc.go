// Package volumes decides where cluster volumes are to be: what their drivers' controllers are to do, and which nodes have
// a volume, are to let go of it, or wait for it.
//
// It reads Volume, Placement, Task, TaskStatus, NodeSpec, NodeState and NodeVolumes, and is the only writer of VolumeState.
// [Planner] moves a volume's stay on a node from phase to phase, as tasks are placed there, agents report and nodes go:
//
//	wanted → pending → (controller publishes) → published → node stages, tasks run
//	not wanted → the node lets go → the controller unpublishes → gone
//
// The calls on the controllers are made beside the Loop: [Due] says which, [Apply] is the row with an outcome in it. Both
// write under the condition that the row is as they read it. [Reaper] deletes Volume rows that are removed for good.
//
// Invariants:
//   - A volume that one node at a time may have has at most one stay, in whatever phase: it is published elsewhere only
//     when the node before has let go of it and, where the driver's controller is told of nodes, that has unpublished it.
//   - A stay leaves VolumeNodeUnpublish by the word of the node about this very stay (its round); without it only when the node
//     is down or removed and the driver's controller will cut it off, or when the node was removed.
//   - A stay is over only when the controller has unpublished it, if the driver attaches. While it is on its way out it never
//     becomes a published one again: another stay follows it.
//   - A volume is deleted by its driver only when it is on no node.
//
// Callers may not assume that a volume whose row is there has been created by its driver: Handle says.
package volumes
