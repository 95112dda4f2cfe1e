// Package backup is the form of a backup: a header, the cluster's state, and a checksum over both; on request sealed
// with a passphrase.
//
//	backup = magic frame(header as JSON) frame(state)… frame() sha256
//	frame  = length (4 bytes, big endian) data
//	sealed = magic salt logN chunk…      each 64 KiB of a backup, XChaCha20-Poly1305 under scrypt(passphrase, salt)
//
// It reads and writes no table: the state is what store.View.Snapshot wrote. It holds the cluster's keys and secrets in
// the clear, so whoever keeps a backup keeps it as safe as they are, or sealed.
//
// Invariants: a reader says that a backup ended only when all of it was read and the checksum is right; of a sealed one
// no byte is given out that was not written under the same passphrase, in that place.
//
// Callers may not act on what they read before they have read the end.
package backup
