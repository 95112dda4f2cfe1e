// Package registry holds the cluster's registry to what is promised of it, on hosts with real engines: what is pushed to one node
// runs on all, and is still there when that node is gone.
//
// It has tests only, and reads and writes no table. Invariants: nothing is pulled from outside the lab. Callers may not assume that
// the tests run as root.
package registry
