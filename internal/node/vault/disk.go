package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/skep-org/skep/internal/durable"
)

// disk is the directory. step, in tests, is called before each change and can end everything there.
type disk struct {
	dir  string
	step func(what string) error
}

func (d disk) before(what string) error {
	if d.step == nil {
		return nil
	}
	return d.step(what)
}

// read refuses secrets that others may read.
func (d disk) read(name string) ([]byte, error) {
	path := filepath.Join(d.dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if name != ringFile && name != keyFile {
		return b, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("the key file %s may be read by others (mode %04o); run chmod 600 on it", path, mode)
	}
	return b, nil
}

// write makes a file durable, but not yet its name.
func (d disk) write(name string, b []byte) error {
	if err := d.before("write " + name); err != nil {
		return err
	}
	return durable.Write(filepath.Join(d.dir, name), b)
}

func (d disk) rename(from, to string) error {
	if err := d.before("rename " + from); err != nil {
		return err
	}
	return os.Rename(filepath.Join(d.dir, from), filepath.Join(d.dir, to))
}

// replace gives a file new contents: it holds the old ones or the new ones, whole.
func (d disk) replace(name string, b []byte) error {
	if err := d.write(name+next, b); err != nil {
		return err
	}
	if err := d.rename(name+next, name); err != nil {
		return err
	}
	return d.sync()
}

// remove is content when there is no such file.
func (d disk) remove(name string) error {
	path := filepath.Join(d.dir, name)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := d.before("remove " + name); err != nil {
		return err
	}
	return os.Remove(path)
}

func (d disk) sync() error {
	return durable.SyncDir(d.dir)
}
