// Package env is the one door through which the outside world's nondeterminism enters: clock, randomness and ids.
//
// Production uses [Real]; tests and the simulator hand in their own, so that a run is reproduced by its seed. Package
// env reads and writes no table. Callers may not keep a time from one Clock and compare it with another's.
package env
