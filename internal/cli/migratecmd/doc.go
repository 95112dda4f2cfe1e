// Package migratecmd is skep migrate: what a running swarm has, read and made on this cluster, or kept in a directory.
//
// It reads and writes no table; it talks to two clusters' APIs as any client, and to the first only asks. Invariants: all that
// may stand in the way is looked for before the first write, and the cluster itself is asked what it would refuse; the content of
// a secret is neither shown nor kept; the same command goes on where one broke off.
//
// Callers may not assume that a migration which failed changed nothing: what was written before the cluster refused stays.
package migratecmd
