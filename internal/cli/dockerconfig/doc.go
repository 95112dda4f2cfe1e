// Package dockerconfig edits the docker command's own configuration of one user: the context that points at skep and
// which context is selected; and reads where any context leads.
//
// It reads and writes no table. Invariants: files are replaced atomically, with the permissions they had; keys of
// config.json it does not know stay as they are. Callers may not assume that the selected context is the one in effect:
// DOCKER_HOST and DOCKER_CONTEXT win.
package dockerconfig
