// Package csitest is a CSI driver for tests. Its volumes are directories of one place that all hosts of a lab see. It can be told
// to fail, to hang and to crash at each call, before or after the call had its effect, and it checks what it is asked: that
// calls come in the order that CSI demands, and that a volume for one node is never on two.
//
// It reads and writes no table. What it finds wrong is kept beside the volumes, for [Place.Violations].
//
// Callers may not assume that a call which it fails had no effect: that is what it is for.
package csitest
