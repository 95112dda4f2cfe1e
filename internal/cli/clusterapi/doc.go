// Package clusterapi is a cluster's API as commands use it that write what services are made of: the way to it, a plan
// written or foreseen, and services waited for.
//
// It reads and writes no table; it talks to a cluster's API as any client. Invariants: a plan is written in its order,
// networks before secrets and configs, those before services; what is foreseen are the very requests that are written, but for
// the contents of secrets and configs.
//
// Callers may not assume that a plan which failed changed nothing: what was written before the cluster refused stays.
package clusterapi
