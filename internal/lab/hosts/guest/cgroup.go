package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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

// hierarchy is one that is mounted in a directory of its own: one of version 1, or the one of version 2 beside them.
type hierarchy struct{ dir, fstype, options string }

// hierarchies are those on this machine, if it has several.
func hierarchies() ([]hierarchy, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var all []hierarchy
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(line, " - ")
		place, what := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(what) < 3 || !strings.HasPrefix(what[0], "cgroup") || filepath.Dir(place[4]) != CgroupRoot {
			continue
		}
		if what[0] == "cgroup2" {
			all = append(all, hierarchy{place[4], what[0], ""})
			continue
		}
		options := slices.DeleteFunc(strings.Split(what[2], ","), func(o string) bool { return o == "rw" || o == "ro" })
		if slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "name=") }) {
			options = append([]string{"none"}, options...)
		}
		all = append(all, hierarchy{place[4], what[0], strings.Join(options, ",")})
	}
	return all, nil
}

// enterAllCgroups puts this process into the host's control group of every hierarchy, and has it see those as the roots.
func enterAllCgroups(cgroup string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	freezer, _ := Freezer("/")
	for _, h := range all {
		if h.dir == filepath.Clean(freezer) {
			continue // where it is already, in a leaf of its own
		}
		if err := makeCgroup(h.dir, cgroup); err != nil {
			return err
		}
		if err := join(filepath.Join(h.dir, cgroup)); err != nil {
			return err
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("making the host's control groups the roots it sees: %w", err)
	}
	return nil
}

// makeCgroup makes a control group that processes can enter: one of cpuset has no processors before it is given some.
func makeCgroup(root, cgroup string) error {
	at := root
	for _, name := range strings.Split(strings.Trim(cgroup, "/"), "/") {
		parent := at
		at = filepath.Join(at, name)
		if err := os.Mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making the host's control group: %w", err)
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			text, err := os.ReadFile(filepath.Join(parent, file))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(at, file), text, 0o644)
			}
			if err != nil {
				return fmt.Errorf("giving the host's control group processors: %w", err)
			}
		}
	}
	return nil
}

// mountCgroups mounts the hierarchies that this process sees, at a place that is to become [CgroupRoot].
func mountCgroups(at string) error {
	if _, version2 := Freezer("/"); version2 {
		return mount(step{"cgroup2", at, "cgroup2", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""})
	}
	all, err := hierarchies()
	if err != nil {
		return err
	}
	if err := mount(step{"tmpfs", at, "tmpfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "mode=755"}); err != nil {
		return err
	}
	for _, h := range all {
		dir := filepath.Join(at, filepath.Base(h.dir))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := mount(step{h.fstype, dir, h.fstype, unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, h.options}); err != nil {
			return err
		}
	}
	return nil
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
