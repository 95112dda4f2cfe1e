package hosts

import (
	"errors"
	"syscall"
)

// Cgroup is the parent of the control groups of the lab's hosts.
func (l *Lab) Cgroup() string { return l.cgroup() }

// KillMachine kills a machine's first process and does none of what Host.Kill does besides.
func (l *Lab) KillMachine(name string) error {
	p, err := hold(l.machineDir(name))
	if err != nil || p == nil {
		return errors.Join(errors.New("it does not run"), err)
	}
	return errors.Join(p.signal(syscall.SIGKILL), p.Release())
}
