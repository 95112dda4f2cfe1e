// Package versions knows the versions of the Docker Engine API: it reads them from a path, compares
// them, and removes from an answer the fields that are newer than the version asked for. It reads and
// writes no tables.
//
// Invariants: Oldest <= every version answered <= Newest; Strip never adds a field. Callers may not
// assume that a version without a minor number equals one with minor 0 in print.
package versions
