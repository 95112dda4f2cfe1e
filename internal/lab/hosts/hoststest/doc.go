// Package hoststest gives tests a lab of hosts that run this source's skep.
//
// It reads and writes no table. Invariants: a lab ends with its test. Callers may not assume that the tests run as root:
// [Up] then skips and says so.
package hoststest
