// Package stackcmd is skep stack: Compose files deployed on a cluster, and what became of them.
//
// It reads and writes no table; it talks to a cluster's API as any client. Invariants: files are read, converted and held
// against the cluster before the first write, and what stands in the way is all said at once; then images are built and
// pushed, each called by what it is built of; networks are made before secrets and configs, those before services; a service
// whose spec is the cluster's already is left alone.
//
// Callers may not assume that a deployment which failed changed nothing: what was written before the cluster refused stays,
// and the same command goes on from there.
package stackcmd
