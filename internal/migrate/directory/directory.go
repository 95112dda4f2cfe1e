package directory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/migrate"
)

// The files of a directory.
const (
	swarmFile  = "swarm.yaml"
	reportFile = "report.txt"
	content    = "content" // below configs and secrets: what is in each, by name
	extension  = ".yaml"
)

// whole is the file of what has no name.
type whole struct {
	Settings migrate.Settings
	Nodes    []migrate.Node
}

// Write makes the directory, with a report beside the objects.
func Write(dir string, want *migrate.Wanted, report string) (err error) {
	dir = filepath.Clean(dir)
	if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
		return fmt.Errorf("the directory %s is there and not empty: name another one", dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("the directory %s cannot be made: %w", dir, err)
	}
	made, err := os.MkdirTemp(filepath.Dir(dir), ".migrate")
	if err != nil {
		return fmt.Errorf("the directory %s cannot be made: %w", dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(made))
		}
	}()
	w := writer{dir: made}
	w.object("", strings.TrimSuffix(swarmFile, extension), whole{want.Settings, want.Nodes})
	for _, n := range want.Networks {
		w.object("networks", n.Name, n)
	}
	for _, c := range want.Configs {
		data := c.Data
		c.Data = nil
		w.object("configs", c.Name, c)
		w.file(filepath.Join("configs", content, c.Name), data)
	}
	for _, s := range want.Secrets {
		s.Data = nil
		w.object("secrets", s.Name, s)
		w.folder(filepath.Join("secrets", content), 0o700)
	}
	for _, s := range want.Services {
		w.object("services", s.Name, s)
	}
	w.file(reportFile, []byte(report))
	if w.err != nil {
		return fmt.Errorf("the directory %s cannot be written: %w", dir, w.err)
	}
	if err := errors.Join(os.Chmod(made, 0o755), ignoreMissing(os.Remove(dir)), os.Rename(made, dir)); err != nil {
		return fmt.Errorf("the directory %s cannot be written: %w", dir, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writer writes until something fails.
type writer struct {
	dir string
	err error
}

func (w *writer) folder(path string, mode fs.FileMode) {
	if w.err == nil {
		w.err = os.MkdirAll(filepath.Join(w.dir, path), mode)
	}
}

func (w *writer) file(path string, data []byte) {
	if w.err == nil && !filepath.IsLocal(path) {
		w.err = fmt.Errorf("%q is no name for a file", path)
	}
	w.folder(filepath.Dir(path), 0o755)
	if w.err == nil {
		w.err = os.WriteFile(filepath.Join(w.dir, path), data, 0o600) // configs hold passwords more often than not
	}
}

func (w *writer) object(kind, name string, v any) {
	if w.err == nil && (name == "" || strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".")) {
		w.err = fmt.Errorf("%q is no name for a file", name)
	}
	if w.err != nil {
		return
	}
	text, err := encode(v)
	if err != nil {
		w.err = fmt.Errorf("%s %s: %w", kind, name, err)
		return
	}
	w.file(filepath.Join(kind, name+extension), text)
}

// Read is what a directory says.
func Read(dir string) (*migrate.Wanted, error) {
	want := &migrate.Wanted{}
	var settings whole
	if err := object(filepath.Join(dir, swarmFile), &settings); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is no directory that skep migrate --write made: it has no %s", dir, swarmFile)
		}
		return nil, err
	}
	want.Settings, want.Nodes = settings.Settings, settings.Nodes
	var errs []error
	var err error
	want.Networks, err = objects(dir, "networks", func(n *network.CreateRequest, _ string) (string, error) { return n.Name, nil })
	errs = append(errs, err)
	want.Configs, err = objects(dir, "configs", func(c *swarm.ConfigSpec, at string) (string, error) {
		c.Data, err = os.ReadFile(at)
		return c.Name, err
	})
	errs = append(errs, err)
	want.Secrets, err = objects(dir, "secrets", func(s *swarm.SecretSpec, at string) (string, error) {
		s.Data, err = os.ReadFile(at)
		return s.Name, ignoreMissing(err)
	})
	errs = append(errs, err)
	want.Services, err = objects(dir, "services", func(s *swarm.ServiceSpec, _ string) (string, error) { return s.Name, nil })
	return want, errors.Join(append(errs, err)...)
}

// objects are those of a kind, by name. more completes one of what is in the file at, and tells its name.
func objects[T any](dir, kind string, more func(v *T, at string) (name string, err error)) ([]T, error) {
	paths, err := filepath.Glob(filepath.Join(globbed(dir), kind, "*"+extension))
	if err != nil {
		return nil, fmt.Errorf("the %s in %s cannot be listed: %w", kind, dir, err)
	}
	slices.Sort(paths)
	var out []T
	var errs []error
	seen := map[string]string{}
	for _, path := range paths {
		var v T
		err := object(path, &v)
		name := ""
		if err == nil {
			// The content goes by the object's name; the file may be called anything.
			at := filepath.Join(dir, kind, content, strings.TrimSuffix(filepath.Base(path), extension))
			name, err = more(&v, at)
		}
		if err == nil && seen[name] != "" {
			err = fmt.Errorf("%s and %s are both for %q", seen[name], path, name)
		}
		seen[name] = path
		errs = append(errs, err)
		out = append(out, v)
	}
	return out, errors.Join(errs...)
}

// globbed is a path in which nothing is a pattern.
func globbed(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// object reads a file strictly.
func object(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	raw, err := decode(text)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", path, err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return nil
}
