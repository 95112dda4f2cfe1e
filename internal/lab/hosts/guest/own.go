package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ownDirs are made of the machine's: what the host changes lies above them.
func ownDirs() []string { return []string{"/usr", "/etc"} }

// ownData are directories that have nothing of the machine's, by what they are called in the host's directory.
func ownData() map[string]string {
	return map[string]string{"docker": "/var/lib/docker", "skep": "/var/lib/skep", "log": "/var/log"}
}

// notBare are what a machine that has skep or an engine starts by itself, which a bare host does not.
func notBare() []string {
	return []string{"/usr/bin/skep", "/usr/bin/skep.new", "/etc/skep", "/etc/init.d/skep", "/etc/rc?.d/[SK]*skep", "/etc/rc?.d/[SK]*docker"}
}

// lenient is read by the script that starts the engine where there is no systemd: it raises limits, which a machine that is
// itself a container may not let it do, and would give up.
const lenient = "ulimit() { command ulimit \"$@\" 2>/dev/null || true; }\n"

// ownFiles gives the host files of its own. They outlive it, as a disk does.
func ownFiles(dir string) error {
	if err := overlays(dir, "/"); err != nil {
		return err
	}
	for name, at := range ownData() {
		data := filepath.Join(dir, name)
		for _, d := range []string{data, at} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		if err := mount(step{source: data, target: at, flags: unix.MS_BIND}); err != nil {
			return err
		}
	}
	return once(dir, func() error {
		// See lenient.
		return errors.Join(makeBare(), os.WriteFile("/etc/default/docker", []byte(lenient), 0o644))
	})
}

// once does something once in a host's life.
func once(dir string, do func() error) error {
	done := filepath.Join(dir, "files", "bare")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o600)
}

// makeBare removes what would make a host another than a bare one.
func makeBare() error {
	for _, pattern := range notBare() {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("making the host bare: %w", err)
			}
		}
	}
	return nil
}
