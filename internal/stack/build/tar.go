package build

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"

	"github.com/skep-org/skep/internal/stack/compose"
)

// Tar writes what is sent, and returns its digest.
func (s *Source) Tar(w io.Writer) (string, error) {
	p := &packer{Source: s, tar: tar.NewWriter(w), digest: sha256.New(), matches: map[string]patternmatcher.MatchInfo{}}
	err := filepath.WalkDir(s.dir, p.visit)
	for _, name := range slices.Sorted(maps.Keys(s.written)) {
		if err == nil {
			content := s.written[name]
			header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}
			err = p.add(header, bytes.NewReader(content))
		}
	}
	if err = errors.Join(err, p.tar.Close()); err != nil {
		return "", fmt.Errorf("%s cannot be sent: %w", compose.Shown(s.dir), err)
	}
	return hex.EncodeToString(p.digest.Sum(nil)), nil
}

// packer walks through a directory once.
type packer struct {
	*Source
	tar    *tar.Writer
	digest hash.Hash
	// matches are what is known of the directories above an entry.
	matches map[string]patternmatcher.MatchInfo
}

func (p *packer) visit(path string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name, err := filepath.Rel(p.dir, path)
	if err != nil || name == "." {
		return err
	}
	ignored, match, err := p.ignored.MatchesUsingParentResults(name, p.matches[filepath.Dir(name)])
	if err != nil {
		return err
	}
	if entry.IsDir() {
		p.matches[name] = match
	}
	switch {
	case ignored && entry.IsDir() && !p.reachesInto(name):
		return filepath.SkipDir
	case ignored, p.written[name] != nil, entry.Type()&fs.ModeSocket != 0:
		return nil
	}
	return p.file(path, name, entry)
}

// reachesInto reports whether something below an ignored directory is not ignored.
func (p *packer) reachesInto(dir string) bool {
	if !p.ignored.Exclusions() {
		return false
	}
	return slices.ContainsFunc(p.ignored.Patterns(), func(pattern *patternmatcher.Pattern) bool {
		return pattern.Exclusion() && (strings.HasPrefix(pattern.String()+"/", dir+"/") || strings.ContainsAny(pattern.String(), "*?["))
	})
}

func (p *packer) file(path, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	header.Name = filepath.ToSlash(name)
	if info.IsDir() {
		header.Name += "/"
	}
	// Files of an image are root's, whoever keeps the directory.
	header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
	if !info.Mode().IsRegular() {
		return p.add(header, nil)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.add(header, f)
}

// add writes an entry. Times are sent, and no part of the digest.
func (p *packer) add(header *tar.Header, content io.Reader) error {
	if err := p.tar.WriteHeader(header); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.digest, "%q %c %o %d %q\n", header.Name, header.Typeflag, header.Mode, header.Size, header.Linkname) // a hash takes all
	if content == nil {
		return nil
	}
	if _, err := io.CopyN(io.MultiWriter(p.tar, p.digest), content, header.Size); err != nil {
		return fmt.Errorf("%s: %w", header.Name, err)
	}
	return nil
}
