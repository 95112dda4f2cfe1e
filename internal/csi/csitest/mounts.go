package csitest

import "golang.org/x/sys/unix"

// Kernel mounts for real.
type Kernel struct{}

// Bind implements [Mounter].
func (Kernel) Bind(from, to string) error { return unix.Mount(from, to, "", unix.MS_BIND, "") }

// Unmount implements [Mounter].
func (Kernel) Unmount(path string) error { return unix.Unmount(path, 0) }

// Mounted implements [Mounter].
func (Kernel) Mounted(path string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
