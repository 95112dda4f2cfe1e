package dockerconfig

import (
	"io/fs"
	"os"
	"syscall"
)

// sameOwner gives a file the owner of the one it replaces: root may edit a user's configuration with sudo.
func sameOwner(f *os.File, old fs.FileInfo) error {
	if old == nil || os.Geteuid() != 0 {
		return nil
	}
	stat, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(stat.Uid), int(stat.Gid))
}
