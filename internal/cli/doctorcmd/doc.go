// Package doctorcmd is skep doctor: it has this host examined and shows what is to be mended.
//
// It reads and writes no table, and changes nothing on the host. Invariants: the command succeeds when nothing is wrong;
// what is doubtful is shown and does not fail it. Callers may not assume that a daemon or an engine is there.
package doctorcmd
