// Package cli is the skep command: the daemon's flags, file and environment, the version, and the Docker context that
// makes the stock docker command talk to skep. Everything else a user does goes through that docker command.
//
// It reads and writes no table; it talks to a cluster through its API only.
//
// Invariants: a setting's flag wins over its environment variable, that over the configuration file, that over the
// default; a setting nobody knows is an error. The user's Docker configuration is replaced atomically and everything in
// it that is not skep's stays.
//
// Callers may not assume that commands print to the process's own output: cobra's writers are used throughout.
package cli
