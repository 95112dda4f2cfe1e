// Package wireguard is WireGuard in a process of its own, for nodes whose kernel has none: one device, which goes on while
// the node's daemon is restarted.
//
// It reads and writes no table. It decides nothing: whoever started it tells it keys and peers through its socket
// (/run/wireguard/NAME.sock), in WireGuard's own protocol for that.
//
// Invariants:
//   - Keys are in the process's memory alone, and it can be neither traced nor dumped by others than root.
//   - The device is in the namespace it was told, its UDP socket in the one that the process was started in.
//   - It ends when its device is removed, and its device goes when it ends.
//
// Callers may not assume that a process which has said that it is ready is told anything yet: it has no key.
package wireguard
