// Package nodeside has a node's CSI drivers stage, publish, unpublish and unstage cluster volumes, as agent/staging decides, and
// finds out which drivers there are.
//
// It reads and writes no table. What it begins with a volume it notes on disk first, without secrets, so that an agent after
// this one knows what to undo; the note goes when all is undone.
//
// Invariants: each call has a time limit. A directory that a volume is mounted at is never removed with what is in it: only
// empty ones are.
//
// Callers may not assume that a call that failed had no effect.
package nodeside
