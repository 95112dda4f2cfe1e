// Package migrate holds the test that a swarm of Docker's own becomes one of skep by one command.
//
// It reads and writes no table. Invariants: the swarm and the cluster are private engines, and nothing of the machine's own
// engine is touched; what differs between a service there and the same one here is in testdata, word by word.
package migrate
