package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/skep-org/skep/internal/durable"
	"github.com/skep-org/skep/internal/provision"
)

// ErrUnknown says that no machine of a name is kept.
var ErrUnknown = errors.New("there is no such machine")

// Store keeps machines, a file each. They are of one cluster.
type Store struct{ Dir string }

// DefaultDir is where a user's machines are kept.
func DefaultDir() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("where your machines are kept is not known (name a directory by --dir): %w", err)
	}
	return filepath.Join(dir, "skep", "machines"), nil
}

func (s Store) file(name string) string { return filepath.Join(s.Dir, name+".json") }

// All are the machines, by name.
func (s Store) All() ([]provision.Machine, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []provision.Machine
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			m, err := s.Get(name)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// Get is one machine.
func (s Store) Get(name string) (provision.Machine, error) {
	var m provision.Machine
	text, err := os.ReadFile(s.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%w as %s: skep machine ls shows those there are", ErrUnknown, name)
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("reading %s: %w", s.file(name), err)
	}
	if err := m.Validate(); err != nil {
		return m, fmt.Errorf("reading %s: %w", s.file(name), err)
	}
	return m, nil
}

// Put keeps machines. One that is kept already as another host is refused, and then none is.
func (s Store) Put(machines []provision.Machine) error {
	var errs []error
	for _, m := range machines {
		errs = append(errs, m.Validate())
		have, err := s.Get(m.Name)
		switch {
		case errors.Is(err, ErrUnknown):
		case err != nil:
			errs = append(errs, err)
		case have.Driver != m.Driver || have.Host != m.Host || have.LabDir != m.LabDir:
			errs = append(errs, fmt.Errorf("there is a machine %s already, at %s: choose another name, or remove that one (skep machine rm %s)", m.Name, have.Host, m.Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	for _, m := range machines {
		text, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			return err
		}
		if err := durable.Write(s.file(m.Name)+".new", append(text, '\n')); err != nil {
			return err
		}
		if err := os.Rename(s.file(m.Name)+".new", s.file(m.Name)); err != nil {
			return err
		}
	}
	return durable.SyncDir(s.Dir)
}

// Forget keeps a machine no longer.
func (s Store) Forget(name string) error {
	if err := os.Remove(s.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Lock has this process alone work on the machines until unlock.
func (s Store) Lock() (unlock func(), err error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("another skep machine command works on the machines in %s: wait for it to end", s.Dir)
		}
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}
