package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/compose"
)

const (
	ignoreName = ".dockerignore"
	// inlineName is what a Dockerfile from outside the directory is called in what is sent.
	inlineName = ".skep.Dockerfile"
)

// Source is what one image is built of.
type Source struct {
	dir        string
	dockerfile string // its name in what is sent
	ignored    *patternmatcher.PatternMatcher
	// written are files with other content than the directory's, or that it does not have.
	written map[string][]byte
}

// Open finds the directory of a build and its Dockerfile.
func Open(b stack.Build) (*Source, error) {
	if info, err := os.Stat(b.Context); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no directory that can be read", compose.Shown(b.Context))
	}
	dir, err := filepath.EvalSymlinks(b.Context) // a walk does not follow a link that it begins with
	if err != nil {
		return nil, err
	}
	s := &Source{dir: dir, written: map[string][]byte{}}
	outside, err := s.findDockerfile(b)
	if err != nil {
		return nil, err
	}
	patterns, err := s.patterns()
	if err != nil {
		return nil, err
	}
	// The engine needs both, and takes them away from the image itself where they are not to be in it.
	for _, name := range []string{ignoreName, s.dockerfile} {
		patterns = append(patterns, "!"+filepath.ToSlash(name))
	}
	if s.ignored, err = patternmatcher.New(patterns); err != nil {
		return nil, fmt.Errorf("what is not to be sent of %s cannot be read: %w", compose.Shown(s.dir), err)
	}
	return s, s.add(outside)
}

// Dockerfile is its name in what is sent.
func (s *Source) Dockerfile() string { return filepath.ToSlash(s.dockerfile) }

// findDockerfile names it; one that is not in the directory is returned.
func (s *Source) findDockerfile(b stack.Build) (outside []byte, err error) {
	if b.Inline != "" {
		s.dockerfile = inlineName
		return []byte(b.Inline), nil
	}
	path := b.Dockerfile
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.dir, path)
	}
	rel, err := filepath.Rel(s.dir, path)
	if err != nil {
		return nil, err
	}
	if rel == "Dockerfile" && !exists(path) && exists(filepath.Join(s.dir, "dockerfile")) {
		rel = "dockerfile" // as docker build does
		path = filepath.Join(s.dir, rel)
	}
	if !exists(path) {
		return nil, fmt.Errorf("there is no Dockerfile %s", compose.Shown(path))
	}
	s.dockerfile = rel
	if filepath.IsLocal(rel) {
		return nil, nil
	}
	s.dockerfile = inlineName
	return os.ReadFile(path)
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// patterns are what is not sent. A file beside the Dockerfile that ignores for it alone counts more than the directory's.
func (s *Source) patterns() ([]string, error) {
	for _, name := range []string{s.dockerfile + ignoreName, ignoreName} {
		f, err := os.Open(filepath.Join(s.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("what is not to be sent is not known: %w", err)
		}
		patterns, err := ignorefile.ReadAll(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s cannot be read: %w", compose.Shown(filepath.Join(s.dir, name)), err)
		}
		return patterns, nil
	}
	return nil, nil
}

// add has a Dockerfile from outside sent, and .dockerignore keep it out of the image.
func (s *Source) add(outside []byte) error {
	if s.dockerfile != inlineName {
		return nil
	}
	s.written[inlineName] = outside
	ignore, err := os.ReadFile(filepath.Join(s.dir, ignoreName))
	if errors.Is(err, fs.ErrNotExist) {
		ignore, err = []byte(ignoreName), nil
	}
	s.written[ignoreName] = []byte(strings.TrimRight(string(ignore), "\n") + "\n" + inlineName + "\n")
	return err
}
