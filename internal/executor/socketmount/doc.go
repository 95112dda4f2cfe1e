// Package socketmount gives a container that mounts the Docker socket skep's socket instead, so that
// Traefik, Portainer and the like see the cluster. The executor uses it for tasks, the API for plain
// containers on their way to the engine. It reads and writes no tables.
//
// Invariants: only the source of a bind changes, never its target or options; what is not understood is
// passed on as it came. Callers may not assume that a bind of the socket's directory is changed.
package socketmount
