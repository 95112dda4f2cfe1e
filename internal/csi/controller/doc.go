// Package controller makes the calls on the controllers of CSI drivers that manager/volumes finds due, beside the Loop of
// the manager that leads, and writes their outcomes.
//
// It reads Volume, VolumeState and Secret, and writes VolumeState as manager/volumes has it, under the condition that the row is
// as it was read.
//
// Invariants: of one volume at most one call is under way in a term; each has a time limit, and what failed waits longer
// each time before it is tried again; of one driver a bounded number is under way. So a volume, or a driver, that hangs holds up
// no other. A call that failed may have had its effect: all of them can be made again, as CSI demands.
//
// Callers may not assume that calls of a term that has ended are over at once for the driver.
package controller
