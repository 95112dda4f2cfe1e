// Package engine runs a private Docker Engine for tests and benchmarks: its own data, socket, mount and
// process namespaces and, unless asked otherwise, its own network. [Start] returns once the engine answers; [Engine.Stop]
// ends it and everything it started.
//
// It reads and writes no table of the store: it is scaffolding beside the product and nothing in the product imports it.
//
// Invariants:
//   - Everything the engine starts lives in one process namespace whose first process we own. Ending that process by its
//     number ends the engine, containerd, the shims and the containers at once, and with the last of them goes the mount
//     namespace with all its overlay and network-namespace mounts. Nothing is looked up or killed by name.
//   - An attached engine holds a pipe to the process that started it: a test that panics takes its engine with it.
//   - The machine's /etc/docker, /run/containerd, /run/docker, /run/skep, /run/netns and /etc/resolv.conf are hidden behind
//     private mounts, so that several engines have different ids and plugins, none uses the system's containerd, and no
//     file of the machine changes.
//   - With the refusing resolver, an image no registry was asked for fails in milliseconds rather than after the ten
//     seconds a silent DNS server costs.
//
// Callers may not assume that a container's process number as the engine tells it is valid outside (it is one of the
// engine's process namespace), nor, with [PrivateNetwork], that a published port is reachable other than through
// [Engine.DialContext] or [Engine.Command].
package engine
