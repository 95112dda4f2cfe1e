// Package filters reads the "filters" parameter of Docker's lists and matches objects against it. It reads
// and writes no tables.
//
// Invariant: a key that a list does not know is an error, never ignored. Callers may not assume an order
// of a key's values.
package filters
