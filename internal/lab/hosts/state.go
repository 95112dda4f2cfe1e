package hosts

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNoLab says that a directory has no lab.
var ErrNoLab = errors.New("there is no lab")

// state is what commands have to know about a lab another process made. It is on disk before anything is made, and does
// not change afterwards.
type state struct {
	// ID is eight hexadecimal digits; control groups bear it.
	ID     string
	Config Config
}

func newState(c Config) (state, error) {
	id := make([]byte, 4)
	if _, err := rand.Read(id); err != nil {
		return state{}, fmt.Errorf("choosing an id: %w", err)
	}
	return state{ID: hex.EncodeToString(id), Config: c}, nil
}

func stateFile(dir string) string { return filepath.Join(dir, "lab.json") }

func (s state) save() error {
	return writeJSON(stateFile(s.Config.Dir), s)
}

func loadState(dir string) (state, error) {
	var s state
	err := readJSON(stateFile(dir), &s)
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("%w in %s: make one with skep lab up, or name its directory with --dir", ErrNoLab, dir)
	}
	return s, err
}

// writeJSON replaces a file at once: a reader sees the old or the new, a crash leaves one of them.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// locked runs a function while no other process or goroutine holds the same lock. A lock ends with its process.
func locked(path string, f func() error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("locking the lab: %w", err)
	}
	defer func() { _ = file.Close() }()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("locking %s: %w", path, err)
		}
		return f()
	}
}
