// Package stagetest is a small cluster for tests of manager stages: a store with the direct committer, a clock that
// stands still until it is moved (but for a nanosecond a commit), the planners under test, and stand-ins for the stages that are not.
//
// [World] is driven from Go (property tests) or by scripts ([Run] interprets the commands of datadriven files, see
// there). It writes every table no planner under test owns, each as its writer would.
//
// Invariants it checks itself after every settling: no planner plans anything when asked about all its keys again, no
// task moves backwards (its Desired or its observed state), and settling ends.
//
// Callers may not assume that ids are ordered: names (t1, n1) are given in the order things appear.
package stagetest
