// Package imagecmd is skep image: what is in the registry that the cluster's nodes serve.
//
// It reads and writes no table. Invariants: a change says what it did; nothing is changed by a command that fails, but for the tag
// that push gives the local image. Callers may not assume that the daemon is of this program's version.
package imagecmd
