package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ownRoot gives a host a root of its own, with nothing of the machine's that could be written to: /usr and /etc are made of
// the machine's, as [ownDirs] are, /var is the host's and outlives it, and the rest is in memory. What an init does to the
// files that it takes for its machine's, like emptying /tmp, is done to the host. Of the machine it sees the host's
// directory, and what the description shares, at their paths.
func (s Spec) ownRoot(dir string) error {
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := mount(
		step{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		step{"tmpfs", root, "tmpfs", unix.MS_NOSUID, "mode=755"},
	); err != nil {
		return err
	}
	for _, d := range []string{"proc", "sys", "dev", "run", "tmp", "root", "home", "srv", "mnt", "opt", "boot", "usr", "etc", "var"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	steps := []func(string, string) error{linkDirs, overlays, ownVar, s.share, kernelFiles, devices, s.etc, enter}
	for _, do := range steps {
		if err := do(dir, root); err != nil {
			return err
		}
	}
	return mount(step{"", "/", "", unix.MS_REC | unix.MS_SHARED, ""})
}

// linkDirs makes the links that the machine has for /bin and its like.
func linkDirs(_, root string) error {
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		to, err := os.Readlink("/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("/%s is no link into /usr, which a host with systemd is made of: %w", name, err)
		}
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}

// overlays makes the directories that are the machine's with the host's changes above them.
func overlays(dir, root string) error {
	for _, of := range ownDirs() {
		if err := overlay(dir, of, filepath.Join(root, of)); err != nil {
			return err
		}
	}
	return nil
}

func overlay(dir, of, target string) error {
	above, work := filepath.Join(dir, "files", of), filepath.Join(dir, "files", of+".work")
	for _, d := range []string{above, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	return mount(step{"overlay", target, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", of, above, work)})
}

// ownVar is empty at first but for what packages' programs expect. Its logs are where those of other hosts are.
func ownVar(dir, root string) error {
	at := filepath.Join(dir, "files", "var")
	for _, d := range []string{"lib", "tmp", "cache", "spool", "log"} {
		if err := os.MkdirAll(filepath.Join(at, d), 0o755); err != nil {
			return err
		}
	}
	for link, to := range map[string]string{"run": "/run", "lock": "/run/lock"} {
		if err := os.Symlink(to, filepath.Join(at, link)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	logs := filepath.Join(dir, "log")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return err
	}
	return mount(
		step{source: at, target: filepath.Join(root, "var"), flags: unix.MS_BIND},
		step{source: logs, target: filepath.Join(root, "var/log"), flags: unix.MS_BIND},
	)
}

// share has the host see its directory, and what else it was given to read.
func (s Spec) share(dir, root string) error {
	if err := mount(step{"tmpfs", filepath.Join(root, "tmp"), "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"}); err != nil {
		return err
	}
	for _, path := range append([]string{dir}, s.Shares...) {
		at := filepath.Join(root, path)
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		if err := mount(step{source: path, target: at, flags: unix.MS_BIND}); err != nil {
			return err
		}
		if path == dir {
			continue
		}
		if err := mount(step{target: at, flags: unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY}); err != nil {
			return err
		}
	}
	return nil
}

// kernelFiles mounts what the kernel shows. Its settings that are not of one network are the machine's: they can be read.
func kernelFiles(_, root string) error {
	at := func(name string) string { return filepath.Join(root, name) }
	if err := mount(
		step{"proc", at("proc"), "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		step{"sysfs", at("sys"), "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		step{"tmpfs", at("run"), "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
	); err != nil {
		return err
	}
	for _, name := range []string{"proc/sys/fs", "proc/sys/kernel", "proc/sys/vm"} {
		if err := mount(
			step{source: at(name), target: at(name), flags: unix.MS_BIND},
			step{target: at(name), flags: unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY},
		); err != nil {
			return err
		}
	}
	for _, name := range []string{"run/lock", "run/netns"} {
		if err := os.MkdirAll(at(name), 0o755); err != nil {
			return err
		}
	}
	return mountCgroups(at("sys/fs/cgroup"))
}

// devices makes those of a machine that every program may expect, and no disk or console.
func devices(_, root string) error {
	dev := filepath.Join(root, "dev")
	if err := mount(step{"tmpfs", dev, "tmpfs", unix.MS_NOSUID, "mode=755"}); err != nil {
		return err
	}
	minors := map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
	for name, minor := range minors {
		if err := device(filepath.Join(dev, name), 1, minor); err != nil {
			return err
		}
	}
	if err := device(filepath.Join(dev, "tty"), 5, 0); err != nil {
		return err
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		if err := os.Symlink(to, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	for _, d := range []string{"pts", "shm", "mqueue"} {
		if err := os.Mkdir(filepath.Join(dev, d), 0o755); err != nil {
			return err
		}
	}
	return mount(
		step{"devpts", filepath.Join(dev, "pts"), "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"},
		step{"tmpfs", filepath.Join(dev, "shm"), "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
		step{"mqueue", filepath.Join(dev, "mqueue"), "mqueue", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
	)
}

func device(path string, major, minor uint32) error {
	if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(major, minor))); err != nil { //nolint:gosec // a device's number
		return fmt.Errorf("making %s: %w", path, err)
	}
	return os.Chmod(path, 0o666)
}

// etc are the files in /etc that are the host's own.
func (s Spec) etc(dir, root string) error {
	at := func(name string) string { return filepath.Join(root, "etc", name) }
	if err := os.MkdirAll(at("docker"), 0o755); err != nil {
		return err
	}
	// One that is a link into the machine's /run leads nowhere here.
	if err := os.Remove(at("resolv.conf")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(at("resolv.conf"), nil, 0o644); err != nil {
		return err
	}
	return mount(
		step{filepath.Join(dir, EtcDocker), at("docker"), "", unix.MS_BIND, ""},
		step{filepath.Join(dir, ResolvConf), at("resolv.conf"), "", unix.MS_BIND, ""},
		step{filepath.Join(dir, EtcHosts), at("hosts"), "", unix.MS_BIND, ""},
	)
}

// enter makes the new root the root, and lets go of the machine's.
func enter(_, root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("entering the host's root: %w", err)
	}
	// The machine's is mounted above the new one now.
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the machine's root: %w", err)
	}
	return os.Chdir("/")
}
