package hosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/skep-org/skep/internal/lab/hosts/guest"
)

// Pause stops all of a host's processes where they are, as a suspended virtual machine: it keeps its connections and
// answers nobody. Commands started by exec run on.
func (h *Host) Pause(ctx context.Context) error {
	if on, err := h.Running(); !on || err != nil {
		return errors.Join(fmt.Errorf("pausing %s: it is off", h.Name), err)
	}
	if err := h.freeze(ctx, true); err != nil {
		return fmt.Errorf("pausing %s: %w", h.Name, err)
	}
	return nil
}

// Resume lets a paused host go on.
func (h *Host) Resume(ctx context.Context) error {
	if err := h.freeze(ctx, false); err != nil {
		return fmt.Errorf("resuming %s: %w", h.Name, err)
	}
	return nil
}

// Paused tells whether the host's processes are stopped.
func (h *Host) Paused() (bool, error) {
	file, _, _, frozen := h.freezer()
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return strings.Contains(string(data), frozen), err
}

// freezer tells how the kernel's version of control groups freezes: what to write where, and how the file that answers
// says that everything is frozen.
func (h *Host) freezer() (answer, ask string, words [2]string, frozen string) {
	dir, version2 := guest.Freezer(h.lab.cgroup() + "/" + h.Name)
	if version2 {
		return filepath.Join(dir, "cgroup.events"), filepath.Join(dir, "cgroup.freeze"), [2]string{"0", "1"}, "frozen 1"
	}
	state := filepath.Join(dir, "freezer.state")
	return state, state, [2]string{"THAWED", "FROZEN"}, "FROZEN"
}

const (
	// freezeTry is how long the processes are given to stand still before they are let go and asked anew: one of several
	// threads that executes a program waits for the others to end, and if those are frozen already, neither side goes on.
	freezeTry = 500 * time.Millisecond
	// freezeTries bounds it: each try meets the processes somewhere else.
	freezeTries = 20
)

// freeze asks and waits until it is so. A host that is off has nothing to freeze.
func (h *Host) freeze(ctx context.Context, on bool) error {
	if !on {
		return h.thaw(ctx)
	}
	for try := 1; ; try++ {
		err := h.freezeOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if thawErr := h.thaw(ctx); thawErr != nil || try == freezeTries || !errors.Is(err, context.DeadlineExceeded) {
			return errors.Join(err, thawErr)
		}
	}
}

func (h *Host) freezeOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, freezeTry)
	defer cancel()
	_, file, words, _ := h.freezer()
	return h.writeFreezer(ctx, file, words[1], true)
}

func (h *Host) thaw(ctx context.Context) error {
	_, file, words, _ := h.freezer()
	return h.writeFreezer(ctx, file, words[0], false)
}

func (h *Host) writeFreezer(ctx context.Context, file, word string, on bool) error {
	err := os.WriteFile(file, []byte(word), 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing %s to %s: %w", word, file, err)
	}
	return until(ctx, "all its processes are "+strings.ToLower(word), func() (bool, error) {
		paused, err := h.Paused()
		return paused == on, err
	})
}
