// Package finding is what there is to say about a key of a Compose file that a cluster does not honour as it is written.
//
// It is pure, and reads and writes no table. Invariants: findings are sorted by where they stand, so that two readings of
// the same files say the same. Callers may not assume that a finding has a file and a line: what no file wrote has none.
package finding
