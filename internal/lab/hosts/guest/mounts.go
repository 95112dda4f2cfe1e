package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// step is one mount.
type step struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
}

// privateMounts makes a host of what still is the machine's file system: its own processes, devices' tree, /run and the
// few files in /etc that hosts must not share.
func (s Spec) privateMounts(dir string) error {
	const cgroups = "/run/lab/cgroup" // the control groups' place while /sys is made anew
	if err := mount(
		step{"", "/", "", unix.MS_REC | unix.MS_SLAVE, ""},
		step{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		step{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
	); err != nil {
		return err
	}
	for _, d := range []string{"/run/lock", "/run/netns", cgroups, "/etc/docker"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("making %s: %w", d, err)
		}
	}
	// A new sysfs shows the host's own network devices, but not what is mounted in the old one.
	if err := mount(
		step{"/sys/fs/cgroup", cgroups, "", unix.MS_BIND | unix.MS_REC, ""},
		step{"sysfs", "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		step{cgroups, "/sys/fs/cgroup", "", unix.MS_BIND | unix.MS_REC, ""},
	); err != nil {
		return err
	}
	if err := unix.Unmount(cgroups, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting %s: %w", cgroups, err)
	}
	if s.Own {
		if err := ownFiles(dir); err != nil {
			return err
		}
	}
	if err := target("/etc/resolv.conf"); err != nil {
		return err
	}
	return mount(
		step{filepath.Join(dir, EtcDocker), "/etc/docker", "", unix.MS_BIND, ""},
		step{filepath.Join(dir, ResolvConf), "/etc/resolv.conf", "", unix.MS_BIND, ""},
		step{filepath.Join(dir, EtcHosts), "/etc/hosts", "", unix.MS_BIND, ""},
		// As systemd has it: containers may ask for what is mounted on the host later (bind-propagation=rslave). What the
		// host is a slave of stays above it.
		step{"", "/", "", unix.MS_REC | unix.MS_SHARED, ""},
	)
}

func mount(steps ...step) error {
	for _, s := range steps {
		if err := unix.Mount(s.source, s.target, s.fstype, s.flags, s.data); err != nil {
			return fmt.Errorf("mounting %s on %s: %w", s.source, s.target, err)
		}
	}
	return nil
}

// target makes sure that a file that is a link into the machine's /run, as systemd's resolver makes one, leads somewhere.
func target(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	to, err := os.Readlink(path)
	if err != nil {
		return fmt.Errorf("there is no %s on this machine: make an empty one: %w", path, err)
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(filepath.Dir(path), to)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, nil, 0o644)
}
