package guest

import (
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
	for _, of := range ownDirs() {
		above, work := filepath.Join(dir, "files", of), filepath.Join(dir, "files", of+".work")
		for _, d := range []string{above, work} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		if err := mount(step{"overlay", of, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", of, above, work)}); err != nil {
			return err
		}
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
	return makeBare(filepath.Join(dir, "files", "bare"))
}

// makeBare removes, once in a host's life, what would make it another than a bare one.
func makeBare(done string) error {
	if _, err := os.Stat(done); err == nil {
		return nil
	}
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
	if err := os.WriteFile("/etc/default/docker", []byte(lenient), 0o644); err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o600)
}
