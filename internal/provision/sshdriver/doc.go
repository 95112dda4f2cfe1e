// Package sshdriver reaches machines by SSH: with keys of the user's agent and files, through jump hosts.
//
// It reads and writes no table.
//
// Invariants: a host whose key is not in a file of known hosts, or is another one, is refused, unless a new key is to be
// accepted; that is then written down. A changed key is always refused. Nothing is asked of a person but a key's passphrase
// by their agent. Scripts run as root: by the login, or by sudo without a password.
//
// Callers may not assume that a script has ended on the host because Run has returned early: the connection may have.
package sshdriver
