package dockerconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const currentContext = "currentContext"

// Selected is the selected context's name; empty means the default one.
func Selected(dir string) (string, error) {
	config, err := read(dir)
	if err != nil {
		return "", err
	}
	var name string
	if raw, ok := config[currentContext]; ok {
		if err := json.Unmarshal(raw, &name); err != nil {
			return "", fmt.Errorf("reading %s of Docker's configuration in %s: %w", currentContext, dir, err)
		}
	}
	return name, nil
}

// Select makes a context the current one; an empty name stands for the default context.
func Select(dir, name string) error {
	config, err := read(dir)
	if err != nil {
		return err
	}
	if name == "" {
		delete(config, currentContext)
	} else if config[currentContext], err = json.Marshal(name); err != nil {
		return fmt.Errorf("encoding the context's name: %w", err)
	}
	data, err := json.MarshalIndent(config, "", "\t") // as the docker command does
	if err != nil {
		return fmt.Errorf("encoding Docker's configuration: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("creating Docker's configuration: %w", err)
	}
	if err := replaceFile(filepath.Join(dir, "config.json"), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing Docker's configuration: %w", err)
	}
	return nil
}

// read keeps every value as the text it is, so that none is lost or reformatted by being understood.
func read(dir string) (map[string]json.RawMessage, error) {
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]json.RawMessage{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Docker's configuration: %w", err)
	}
	var config map[string]json.RawMessage
	if err := json.Unmarshal(data, &config); err != nil || config == nil {
		return nil, errors.Join(fmt.Errorf("docker's configuration %s is no JSON object: mend it first", path), err)
	}
	return config, nil
}

// replaceFile writes a file so that a reader sees the old or the new content and a crash leaves one of them. A link is
// followed (dotfiles often are links), an existing file keeps its permissions and owner.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	old, err := os.Stat(path)
	if err == nil {
		mode = old.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), sameOwner(f, old), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
