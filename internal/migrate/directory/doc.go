// Package directory keeps what is wanted of a cluster in a directory that people read and edit: a file for each object, in
// YAML with the names of Docker's API, and the contents of configs and secrets as files of their own.
//
// It reads and writes no table. Invariants: what is read is what was written; a directory is there as a whole or not at all; a
// key that nobody knows is an error that names the file. Contents of secrets are never written, only read.
//
// Callers may not assume that what was read fits together: people edit it.
package directory
