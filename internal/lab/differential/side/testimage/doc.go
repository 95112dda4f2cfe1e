// The program of the test image: it serves, exits with a code, writes lines or
// judges its own health, as its arguments say, so that scenarios need one image.
//
// It reads and writes no table. Invariant: it needs nothing from its image, which
// holds this program alone, as /bin/sh too. A caller may not assume that it serves:
// a port in use is no reason to end.
package main
