// Package lab holds what the project needs to run real Docker Engines on one machine: for its tests, its benchmarks and
// its demo. See package engine for one private engine.
//
// It reads and writes no table; the product does not import it.
package lab
