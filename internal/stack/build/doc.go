// Package build reads what an image is built of: a directory without what .dockerignore names, and a Dockerfile.
//
// It reads files and writes none; it reads and writes no table. Invariants: the same content has the same digest on every
// machine and at every time, whatever the files' times and owners; a file that cannot be read fails the whole. Callers may not
// assume that a directory stays as it was: what is sent later has a digest of its own, to be held against the first.
package build
