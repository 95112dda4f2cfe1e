// Package enginetest gives tests a private Docker Engine and a small image to run on it.
//
// It reads and writes no table. Invariants: an engine ends with its test; the image's program is compiled once for each
// test binary. Callers may not assume that the tests run as root: [Start] then skips and says so.
package enginetest
