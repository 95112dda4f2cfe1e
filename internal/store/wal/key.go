package wal

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/skep-org/skep/internal/durable"
)

// Key seals the log and the snapshots of one member. Without it they cannot be read again: whoever makes a log has made
// its key durable.
type Key [32]byte

// replaceFile writes a file that is there whole or not at all, readable by its owner only.
func replaceFile(path string, write func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}
