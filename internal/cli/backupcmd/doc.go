// Package backupcmd is skep backup and skep restore: what they say, ask and write; the daemon does the rest.
//
// It reads and writes no table. Invariants: a backup's file is there whole and checked, or not at all, and its owner
// alone may read it; a passphrase never leaves this process. Callers may not assume that the daemon is this program's
// version: the file's own form says what it is.
package backupcmd
