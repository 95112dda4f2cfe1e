// Bench runs the benchmarks and writes their results: `make bench`.
//
// It reads and writes no table. Invariants: nothing is written unless every round of every side succeeded. Who runs it
// may not assume that seconds of two machines can be compared; the ratios can.
package main
