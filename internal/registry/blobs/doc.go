// Package blobs keeps a node's blobs of the cluster's registry on disk: one file each, named by its SHA-256.
//
// It reads and writes no table.
//
// Invariants: a file under its digest's name has exactly that content, and its content is on the disk before its name is; what
// is on its way is elsewhere, and gone after a restart; no file is begun when the disk would be left without reserve.
//
// Callers may not assume that a blob stays: it is opened, or it is not there.
package blobs
