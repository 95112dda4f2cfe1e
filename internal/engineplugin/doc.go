// Package engineplugin finds the plugins that a Docker Engine manages: those that docker plugin install brought.
//
// It reads and writes no table. Callers may not assume that a plugin found once is there the next time.
package engineplugin
