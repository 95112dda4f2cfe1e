// Package guest is what runs inside a lab host: the first process of its process namespace, which makes the host's mounts
// and addresses, starts its programs and starts them again when they end, as an init system would, and reaps what they
// orphan. `skep lab-init DIR NAME` runs it; package hosts starts that command in fresh namespaces.
//
// It reads and writes no table.
//
// The one who starts it holds the other end of a pipe, the lifeline, and talks through it: "go" once the host's link is
// there, "detach" when the host is to outlive its starter. A lifeline that ends without "detach" ends the host.
//
// Invariants:
//   - Everything of a host is in its process namespace: when the first process is killed, the kernel ends all the others
//     and their mounts and links go with them.
//   - Mounts of the machine arrive in a host, a host's never leave it.
//   - Where systemd is a host's first process, nothing that it could write to is the machine's: its root is the host's own.
//     A process beside it holds the lifeline. When the starter dies without a word, control groups are left for Down.
//   - SIGTERM is an orderly shutdown: programs end in the reverse order of their start, then the host ends.
//
// Callers may not assume that a program of a host has started when [Serve] says "ready": that is said before, when the
// mounts are made.
package guest
