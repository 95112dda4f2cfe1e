// Package volumes has a service with a cluster volume move between hosts, under kills and faults of its CSI driver: what it
// wrote is there, and its volume is never on two hosts. The tests need root.
package volumes
