// Package revision keeps what a stack was: each deployment is a numbered revision, which can be deployed again.
//
// A revision is a config of the cluster, with the stack's label, so that every manager has it and whatever removes the
// stack removes its history. It is pure and reads and writes no table: configs in, revisions out, and the other way round.
// Invariants: a revision holds no secret's data and no config's, only the names of their versions; numbers rise, and none
// is given twice while its config is there.
//
// Callers may not assume that what a revision refers to is there still: package plan looks. Nor that who deployed it was
// who it says, which is what the machine called the user.
package revision
