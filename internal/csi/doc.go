// Package csi finds the CSI drivers of a node and opens connections to them: plugins of the engine that say csicontroller or
// csinode, as swarm mode's, and drivers that run as ordinary containers or programs and listen on a socket in skep's directory,
// as those made for other orchestrators do. csi/controller calls their controllers on the manager that leads, csi/nodeside their
// node services beside each agent.
//
// It reads and writes no table. Callers may not assume that a driver found once is there the next time, and close each
// connection that they were given.
package csi
