// Package api is the Docker Engine API as skep serves it: cluster objects are answered from the store, the
// rest is passed through to the node's own engine, some routes are both. The table in api/routes says which.
//
// It writes the tables of cluster settings, services, their revisions, node specs, networks, secrets and
// configs, and reads all of them.
//
// Invariants: a request changes all it asks for in one batch or nothing; every write names the versions it
// was decided on; answers never contain secret data. A read sees everything acknowledged before it began. A list is sent
// row by row, all of one view, which it keeps for as long as its client takes, but not longer than list.go allows.
//
// What would become of requests is told by having them answered over a fork of the state (forecast.go): no other way of
// asking leaves as little to go wrong between the two.
//
// Callers may not assume that an answered write has already had its effect: stages carry it out afterwards.
package api
