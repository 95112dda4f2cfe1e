package node

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/skep-org/skep/internal/durable"
)

// fileDisk keeps the agent's memory in a file.
type fileDisk string

// assignmentsFile is below the membership's directory, so that it goes with it.
const assignmentsFile = "assignments"

// Load implements [agent.Disk].
func (f fileDisk) Load() ([]byte, error) {
	b, err := os.ReadFile(string(f))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// Save implements [agent.Disk].
func (f fileDisk) Save(b []byte) error {
	next := string(f) + nextSuffix
	if err := durable.Write(next, b); err != nil {
		return err
	}
	if err := os.Rename(next, string(f)); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(string(f)))
}

// volatileDisk keeps what a reboot ends in a file that is in memory: nothing is synced.
type volatileDisk string

// Load implements [dataplane.Disk].
func (f volatileDisk) Load() ([]byte, error) { return fileDisk(f).Load() }

// Save implements [dataplane.Disk].
func (f volatileDisk) Save(b []byte) error {
	if err := os.MkdirAll(filepath.Dir(string(f)), 0o700); err != nil {
		return err
	}
	next := string(f) + nextSuffix
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return err
	}
	return os.Rename(next, string(f))
}
