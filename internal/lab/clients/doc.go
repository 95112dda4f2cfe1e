// Package clients has programs that others wrote for Docker's swarm mode talk to skep, beside Docker's own swarm mode, and
// holds what they see against each other: python3-docker with a script that walks its calls (testdata/walk.py), Prometheus
// with its dockerswarm_sd_configs, docker-compose through the pass-through, and Traefik's swarm provider built from the Go
// module proxy.
//
// It holds tests only; it reads and writes no table. Invariants: each program speaks to sockets of engines in namespaces of
// the test, and listens in one. Callers may not assume that every program can be had: a test that misses its own says so
// and is skipped.
package clients
