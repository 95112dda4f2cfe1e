// Package lab holds what the project needs to run real Docker Engines on one machine: for its tests, its benchmarks and
// its demo. See package engine for one private engine, and package hosts for a cluster of hosts, which users have as
// skep lab.
//
// It reads and writes no table; of the product only the command imports anything of it, and that is package hosts.
package lab
