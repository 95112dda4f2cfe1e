// Package proxy passes requests through to the node's own Docker Engine: plain ones by a reverse proxy,
// upgraded and hijacked ones (attach, exec, build sessions) as a pair of byte streams whose ends are
// closed one direction at a time. It reads and writes no tables.
//
// Invariants: a request reaches the engine with the version asked for or the engine's highest, whichever
// is lower; bodies are never held back or changed. Callers may not assume that the engine is reachable:
// when it is not the answer is 502 with a sentence.
package proxy
