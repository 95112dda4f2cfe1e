// Package recovery tries on hosts of a lab what is left to do when a cluster's managers are lost for good: going on with
// one of them, and restoring a backup; and what may be done to the keys of a cluster that is in use: locking its managers, and
// replacing its certificate authority.
//
// It reads and writes no table. Invariants: it uses what users have, the docker and skep commands. Callers there are
// none: it holds tests only.
package recovery
