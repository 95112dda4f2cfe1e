package node

import (
	"errors"
	"os"
	"path/filepath"
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
	if err := writeDurably(next, b); err != nil {
		return err
	}
	if err := os.Rename(next, string(f)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(string(f)))
}
