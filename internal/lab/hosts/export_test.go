package hosts

// Cgroup is the parent of the control groups of the lab's hosts.
func (l *Lab) Cgroup() string { return l.cgroup() }
