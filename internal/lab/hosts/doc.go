// Package hosts makes a real multi-node cluster on one machine: hosts with their own network, processes, files in /run,
// Docker Engine and skep daemon, joined by a private switch, with an outside client beside them. It can cut their power
// and their links, and takes everything away again. `skep lab` is its command, tests and benchmarks use it directly.
//
// It reads and writes no table: it starts daemons and talks to their API like any user.
//
// Invariants:
//   - All of a host is in one process namespace whose first process is `skep lab-init DIR NAME` (package guest). It is
//     found by these exact arguments, never by a number on disk, so a crash of any command leaves nothing unknown.
//   - The switch is a bridge in a network namespace of its own, held by a first process like a host's; the machine's own
//     network, firewall and mounts are not touched.
//   - What is to be known to take a lab away is on disk before anything is made. [Lab.Down] works on whatever it finds.
//   - Until [Up] or [Host.Start] has succeeded, a host ends with the process that starts it; those of a lab that is not
//     Detached always do.
//
// Callers may not assume that a host's process numbers hold outside it, that clients got before [Host.Kill] have live
// connections after it, or that a fault heals by itself: [Lab.Heal] takes all faults away.
package hosts
