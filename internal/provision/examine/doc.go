// Package examine finds out about the host it runs on what package doctor judges.
//
// It reads and writes no table. It changes nothing on the host: what the kernel can do it tries in a network namespace of
// its own, which goes with the thread that made it.
//
// Invariants: what cannot be looked at is told as that, and does not keep the rest from being looked at. An examination ends
// within seconds, also where the engine, the daemon or other nodes are silent.
//
// Callers may not assume that facts belong to one moment.
package examine
