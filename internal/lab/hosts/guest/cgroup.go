package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CgroupRoot is where the kernel's control groups are.
const CgroupRoot = "/sys/fs/cgroup"

// Freezer is the directory whose files freeze a host: of version 2 the only hierarchy, of version 1 the freezer's.
func Freezer(cgroup string) (dir string, version2 bool) {
	if _, err := os.Stat(filepath.Join(CgroupRoot, "cgroup.controllers")); err == nil {
		return filepath.Join(CgroupRoot, cgroup), true
	}
	return filepath.Join(CgroupRoot, "freezer", cgroup), false
}

// enterCgroup puts this process, and so all it will start, below the host's control group: freezing that freezes the
// engine, the daemon and the containers alike. A leaf of its own, because version 2 allows processes in leaves only.
func enterCgroup(cgroup string) error {
	dir, _ := Freezer(cgroup)
	leaf := filepath.Join(dir, "init")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return fmt.Errorf("making the host's control group: %w", err)
	}
	return join(leaf)
}

// join moves this process into a control group.
func join(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return fmt.Errorf("entering control group %s: %w", dir, err)
	}
	return nil
}

// leaveCgroup goes back to the root, so that the host's own can be removed.
func leaveCgroup() error {
	dir, _ := Freezer("/")
	return join(dir)
}

// RemoveCgroups removes a tree of control groups without processes in every hierarchy: version 1 has one for each
// controller, version 2 a single one. It fails while one of them still has a process.
func RemoveCgroups(cgroup string) error {
	var errs []error
	for _, pattern := range []string{filepath.Join(CgroupRoot, cgroup), filepath.Join(CgroupRoot, "*", cgroup)} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("looking for control groups: %w", err)
		}
		for _, dir := range found {
			errs = append(errs, removeTree(dir))
		}
	}
	return errors.Join(errs...)
}

// RemoveParent removes the group above a lab's hosts when it is empty.
func RemoveParent(cgroup string) {
	for _, pattern := range []string{filepath.Join(CgroupRoot, cgroup), filepath.Join(CgroupRoot, "*", cgroup)} {
		found, _ := filepath.Glob(pattern)
		for _, dir := range found {
			_ = unix.Rmdir(dir)
		}
	}
}

// removeTree removes directories from the leaves up; their files go with them.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing control group %s: %w", dir, err)
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing control group %s: %w", dir, err)
	}
	return nil
}
