package archtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// pkg is one package of the module, without its tests and generated files.
type pkg struct {
	path    string // below the module, "" for the module's root
	name    string
	imports []string // of all files, import paths in full
	files   []*ast.File
}

// source is a module's source.
type source struct {
	module string
	dir    string
	fset   *token.FileSet
	pkgs   []pkg
}

// load reads the module in dir. Only the source is looked at: nothing has to compile, so the test is quick and tells
// about the architecture even while something else is broken.
func load(ctx context.Context, dir string) (*source, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-json=Dir,ImportPath,Name,GoFiles,Imports,Module", "./...")
	cmd.Dir = dir
	cmd.Stderr = new(bytes.Buffer)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing the packages of %s: %w: %s", dir, err, cmd.Stderr)
	}
	s := &source{dir: dir, fset: token.NewFileSet()}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var listed struct {
			Dir, ImportPath, Name string
			GoFiles, Imports      []string
			Module                struct{ Path string }
		}
		if err := dec.Decode(&listed); errors.Is(err, io.EOF) {
			return s, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the list of packages: %w", err)
		}
		s.module = listed.Module.Path
		p := pkg{path: s.inModule(listed.ImportPath), name: listed.Name, imports: listed.Imports}
		for _, name := range listed.GoFiles {
			if err := s.parse(&p, filepath.Join(listed.Dir, name)); err != nil {
				return nil, err
			}
		}
		if len(listed.GoFiles) > 0 { // a directory of tests alone has nothing to judge
			s.pkgs = append(s.pkgs, p)
		}
	}
}

func (s *source) parse(p *pkg, path string) error {
	file, err := parser.ParseFile(s.fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if errors.Is(err, os.ErrNotExist) {
		return nil // removed between listing and reading
	}
	if err != nil {
		return fmt.Errorf("parsing %s: %w", path, err)
	}
	if !ast.IsGenerated(file) {
		p.files = append(p.files, file)
	}
	return nil
}

// inModule is a package's path below the module; other modules' paths stay in full.
func (s *source) inModule(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, s.module), "/")
}

// at is a position as file:line below the module.
func (s *source) at(pos token.Pos) string {
	p := s.fset.Position(pos)
	if rel, err := filepath.Rel(s.dir, p.Filename); err == nil {
		p.Filename = filepath.ToSlash(rel)
	}
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}
