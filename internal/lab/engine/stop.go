package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// stopLimit bounds each wait of Stop: the kernel ends a killed process namespace in milliseconds, but a loaded machine
// may take seconds to write back a container's files.
const stopLimit = 30 * time.Second

// Stop ends the engine with all its containers and removes what it made outside its directory: bridges, firewall rules,
// control groups. The directory stays; a later Start there finds the same images and containers, the latter stopped.
// Stop may be called again and returns the same error.
func (e *Engine) Stop() error {
	e.stopOnce.Do(func() {
		if err := e.stop(); err != nil {
			e.stopErr = fmt.Errorf("stopping the engine in %s: %w", e.cfg.Dir, err)
		}
	})
	return e.stopErr
}

func (e *Engine) stop() error {
	errs := []error{e.killAll()}
	if e.keep != nil {
		if err := e.keep.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if e.api != nil {
		errs = append(errs, e.api.Close())
	}
	if e.state.ID != "" {
		errs = append(errs, removeCgroups("/sys/fs/cgroup", e.cgroup()))
	}
	if e.cfg.Network == HostNetwork {
		errs = append(errs, e.state.Host.remove())
	}
	for _, path := range []string{e.files.socket(), e.files.pidfile(), e.files.state()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// killAll ends the first process, and with it, by the kernel's rule for process namespaces, all others.
func (e *Engine) killAll() error {
	running, err := e.alive()
	if err != nil {
		return err
	}
	if running {
		if err := syscall.Kill(e.state.FirstPID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending its first process %d: %w", e.state.FirstPID, err)
		}
	}
	if e.first != nil {
		_ = e.first.Wait() // reaps it; that it was killed is no news
	}
	if e.ended != nil {
		<-e.ended
	}
	return eventually(stopLimit, func() error {
		if running, err := e.alive(); running || err != nil {
			return errors.Join(fmt.Errorf("first process %d still runs", e.state.FirstPID), err)
		}
		return nil
	})
}

// Signal sends a signal to dockerd alone, as an upgrade or a crash of the engine does, and waits until it has ended.
// SIGKILL leaves the containers running, as it does on a real machine; Restart brings the engine back.
func (e *Engine) Signal(ctx context.Context, sig syscall.Signal) error {
	pid, err := os.ReadFile(e.files.pidfile())
	if err != nil {
		return fmt.Errorf("reading the engine's process number: %w", err)
	}
	out, err := command(ctx, "nsenter", "--target", strconv.Itoa(e.state.FirstPID), "--mount", "--pid", "--",
		"kill", "-"+strconv.Itoa(int(sig)), string(pid))
	if err != nil {
		return fmt.Errorf("signalling the engine: %w: %s", err, out)
	}
	if e.ended == nil {
		return nil
	}
	select {
	case <-e.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the engine to end after %v: %w", sig, ctx.Err())
	}
}

// Restart starts dockerd again in the same namespaces after Signal ended it.
func (e *Engine) Restart(ctx context.Context) error {
	if err := e.startDaemon(ctx); err != nil {
		return fmt.Errorf("restarting the engine in %s: %w", e.cfg.Dir, err)
	}
	return nil
}

// cgroup is the parent of the control groups of this engine's containers.
func (e *Engine) cgroup() string { return "/skep-lab-" + e.state.ID }

// removeCgroups removes the empty directories a killed runtime leaves, in every hierarchy (version 1 has one for each
// controller, version 2 a single one).
func removeCgroups(root, name string) error {
	var found []string
	for _, pattern := range []string{filepath.Join(root, name), filepath.Join(root, "*", name)} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("looking for control groups: %w", err)
		}
		found = append(found, matches...)
	}
	return eventually(stopLimit, func() error {
		var errs []error
		for _, dir := range found {
			errs = append(errs, removeTree(dir))
		}
		return errors.Join(errs...)
	})
}

// removeTree removes a tree of control groups from its leaves: their files cannot be removed, the directories can.
func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("walking control groups: %w", err)
	}
	for _, d := range slices.Backward(dirs) {
		if err := syscall.Rmdir(d); err != nil && !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("removing control group %s: %w", d, err)
		}
	}
	return nil
}

// eventually repeats what the kernel finishes on its own time until it succeeds or the limit has passed.
func eventually(limit time.Duration, try func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pollEvery)
	}
}
