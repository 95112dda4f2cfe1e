package hosts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// Down takes the lab away with everything it made and all its data. It works on whatever is left of a lab, too.
func (l *Lab) Down(ctx context.Context) error {
	errs := []error{l.end(ctx)}
	for _, life := range l.lives {
		if err := life.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, h := range l.Hosts() {
		errs = append(errs, h.engine.Close(), h.skep.Close())
	}
	l.reaping.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("taking the lab in %s away: %w", l.cfg.Dir, err)
	}
	return nil
}

func (l *Lab) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, offLimit)
	defer cancel()
	dirs := make([]string, len(l.machines))
	for i, m := range l.machines {
		dirs[i] = l.machineDir(m.Name)
	}
	// All are killed before any is waited for.
	var dying []*process
	for i, dir := range dirs {
		p, err := hold(dir)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		defer func() { _ = p.Release() }()
		dying = append(dying, p)
		if err := errors.Join(p.signal(syscall.SIGKILL), l.hosts[i].freeze(ctx, false)); err != nil {
			return err
		}
	}
	for _, p := range dying {
		if err := p.gone(ctx); err != nil {
			return err
		}
	}
	if err := removeCgroups(ctx, l.cgroup()); err != nil {
		return err
	}
	guest.RemoveParent(l.cgroup())
	return l.removeDir()
}

// removeDir removes the lab's directory. Nothing of the lab is mounted there; what somebody else mounted is not to be
// emptied.
func (l *Lab) removeDir() error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], l.cfg.Dir+"/") {
			return fmt.Errorf("something is mounted on %s, below the lab's directory: unmount it first", fields[4])
		}
	}
	// The state goes last: while it is there, down can be asked again.
	for _, m := range l.machines {
		if err := os.RemoveAll(l.machineDir(m.Name)); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(l.sshDir()); err != nil {
		return err
	}
	for _, name := range []string{"faults.json", "faults.json.new", "lock", "lab.json.new", "lab.json"} {
		if err := os.Remove(filepath.Join(l.cfg.Dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	// A directory with something of somebody else's in it stays, and so does one that is itself a mount.
	if err := os.Remove(l.cfg.Dir); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EBUSY) {
		return err
	}
	return nil
}
