package compose

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/skep-org/skep/internal/stack/source"
)

const stdin = "-"

// read fills in the files' contents.
func (o Options) read(files []types.ConfigFile) error {
	for i := range files {
		var err error
		if files[i].Filename == stdin {
			if o.Stdin == nil {
				return fmt.Errorf("the Compose file cannot be read: there is no standard input")
			}
			files[i].Content, err = io.ReadAll(o.Stdin)
		} else {
			files[i].Content, err = os.ReadFile(files[i].Filename)
		}
		if err != nil {
			return fmt.Errorf("the Compose file %s cannot be read: %w", Shown(files[i].Filename), unreadable(err))
		}
	}
	return nil
}

// readSources reads the files once more for the places of their keys, and those that they name.
func readSources(files *source.Files, details *types.ConfigDetails) error {
	for _, f := range details.ConfigFiles {
		if err := files.Add(Shown(f.Filename), f.Content, ""); err != nil {
			return err
		}
		if err := follow(files, Shown(f.Filename), details.WorkingDir, details.Environment); err != nil {
			return err
		}
	}
	return nil
}

// follow reads what a file includes and extends. What cannot be read is left to compose-go, which says why.
func follow(files *source.Files, name, dir string, env types.Mapping) error {
	for _, r := range files.References(name) {
		path, err := template.SubstituteWithOptions(r.File, env.Resolve, template.WithoutLogging)
		if err != nil {
			continue
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if !files.Has(Shown(path)) {
			content, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			if err := files.Add(Shown(path), content, name); err != nil {
				return err
			}
			if err := follow(files, Shown(path), filepath.Dir(path), env); err != nil {
				return err
			}
		}
		if r.Service != "" {
			files.Extend(Shown(path), r.Base, r.Service)
		}
	}
	return nil
}

// Shown is a file's name for people: relative to where they are, when it is below.
func Shown(path string) string {
	if path == stdin {
		return "standard input"
	}
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
