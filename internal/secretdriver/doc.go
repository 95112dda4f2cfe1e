// Package secretdriver asks engine plugins of the kind secretprovider for the secrets they keep, as swarm mode's managers do:
// plugins that docker plugin install brought, and older ones that listen on a socket in the engine's plugin directory.
//
// It reads and writes no table. Invariants: a value is handed to who asked and is kept nowhere; a plugin that does not answer
// in ten seconds has failed.
//
// Callers may not assume that a plugin found once is there the next time.
package secretdriver
