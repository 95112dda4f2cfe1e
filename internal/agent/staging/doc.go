// Package staging decides what a node's CSI drivers are to do with cluster volumes: stage and publish what was published to the
// node, unpublish and unstage what it is to let go of.
//
// [Machine] is the agent's: the managers' orders, what was left on disk by an earlier process and the outcomes of operations in,
// operations and reports out, time as an argument. It reads and writes no table.
//
// Invariants:
//   - Of a volume at most one operation is under way.
//   - A volume is told to be on the node (Path) only while its newest publish succeeded and nothing has been undone since.
//   - Nothing is undone of a volume that a container uses, or may be about to.
//   - A volume is reported released only when both undoing operations have succeeded after whatever was done last. Of a stay that
//     was reported so nothing is done any more.
//   - Another stay of a volume begins only when nothing is left of the one before.
//   - What an earlier process left is taken for published until it has been undone. Before the first orders nothing is undone.
//
// Callers may not assume that an operation that failed had no effect.
package staging
