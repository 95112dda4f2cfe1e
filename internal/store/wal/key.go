package wal

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Key seals the log and the snapshots of one member.
type Key [32]byte

// LoadKey reads the key file at path, and makes one with a new key when there is none. Without the key the log cannot
// be read again, so the file is durable when LoadKey returns.
func LoadKey(path string) (Key, error) {
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if _, err := rand.Read(key[:]); err != nil {
		return key, fmt.Errorf("wal: no randomness for a new key: %w", err)
	}
	err = replaceFile(path, func(f *os.File) error {
		_, err := fmt.Fprintf(f, "%x\n", key[:])
		return err
	})
	if err != nil {
		return Key{}, fmt.Errorf("wal: the key file %s cannot be created: %w", path, err)
	}
	return key, nil
}

func readKey(path string) (key Key, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return key, fmt.Errorf("wal: the key file cannot be read: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return key, fmt.Errorf("wal: the key file cannot be read: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return key, fmt.Errorf("wal: the key file %s may be read by others (mode %04o); run chmod 600 on it", path, mode)
	}
	data = bytes.TrimSpace(data)
	if n, err := hex.Decode(key[:], data[:min(len(data), 64)]); err != nil || n != len(key) || len(data) != 64 {
		return Key{}, fmt.Errorf("wal: the key file %s does not hold 64 hexadecimal digits; restore it from a backup", path)
	}
	return key, nil
}

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
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}
