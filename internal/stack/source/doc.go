// Package source says in which file and line a key of a merged Compose model stands.
//
// It is pure, and reads and writes no table. Invariants: a path that no file has is looked for by its beginning, so that
// what was filled in is found where it was filled in; of several files with a key the one that is merged last is named.
//
// Callers may not assume that the element of a list is found exactly: where several files add to one list, its place is the
// list's.
package source
