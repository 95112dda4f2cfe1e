// Package constraint reads placement constraints ("node.labels.disk == ssd") and holds them against nodes.
//
// It follows Docker to the letter: keys and values are compared without regard to case, a label's own name with
// regard to it, an attribute the node does not have counts as empty, and an unknown key matches no node.
//
// It reads and writes no table: the caller makes a [Node] of the rows. All functions are pure.
//
// Callers may not assume that a constraint that parses can be satisfied by any node; see [Constraint.Known].
package constraint
