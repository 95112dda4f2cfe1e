package build_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/build"
)

// TestSource: the input are the files of a directory in txtar form; the result is what is sent of the context "app" in it.
// Arguments: dockerfile=PATH, inline; through=NAME is a link to the context; link=NAME makes a link to /etc/passwd, socket=NAME a socket, in the context.
func TestSource(t *testing.T) {
	datadriven.RunTest(t, "testdata/source.txt", func(t *testing.T, d *datadriven.TestData) string {
		t.Chdir(t.TempDir())
		for _, f := range txtar.Parse([]byte(d.Input)).Files {
			require.NoError(t, os.MkdirAll(filepath.Dir(f.Name), 0o750))
			require.NoError(t, os.WriteFile(f.Name, f.Data, 0o600))
		}
		here, err := os.Getwd()
		require.NoError(t, err)
		b := stack.Build{Context: filepath.Join(here, "app"), Dockerfile: "Dockerfile"}
		for _, a := range d.CmdArgs {
			switch a.Key {
			case "dockerfile":
				b.Dockerfile = a.Vals[0]
			case "inline":
				b.Inline = "FROM scratch\n"
			case "through": // a link to the context
				require.NoError(t, os.Symlink("app", a.Vals[0]))
				b.Context = filepath.Join(here, a.Vals[0])
			case "link":
				require.NoError(t, os.Symlink("/etc/passwd", filepath.Join("app", a.Vals[0])))
			case "socket":
				l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join("app", a.Vals[0]))
				require.NoError(t, err)
				defer l.Close()
			}
		}
		s, err := build.Open(b)
		if err != nil {
			return "error: " + err.Error() + "\n"
		}
		var sent bytes.Buffer
		_, err = s.Tar(&sent)
		require.NoError(t, err)
		return "dockerfile " + s.Dockerfile() + "\n" + entries(t, &sent)
	})
}

func entries(t *testing.T, sent io.Reader) string {
	var b strings.Builder
	for in := tar.NewReader(sent); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		require.NoError(t, err)
		content, err := io.ReadAll(in)
		require.NoError(t, err)
		fmt.Fprintf(&b, "%c %o %d:%d %s %q%s\n", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Name, content, h.Linkname)
	}
}

// TestDigest: what is sent tells contents apart, and nothing else.
func TestDigest(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) { require.NoError(t, os.WriteFile(path(name), []byte(text), 0o600)) }
	digest := func() string {
		s, err := build.Open(stack.Build{Context: dir, Dockerfile: "Dockerfile"})
		require.NoError(t, err)
		d, err := s.Digest()
		require.NoError(t, err)
		return d
	}
	write("Dockerfile", "FROM scratch\n")
	write("a", "one")
	write(".dockerignore", "tmp\n")
	first := digest()
	same := map[string]func(){
		"the time of a file":  func() { require.NoError(t, os.Chtimes(path("a"), time.Unix(1, 0), time.Unix(1, 0))) },
		"what is not sent":    func() { write("tmp", "x") },
		"the same once more":  func() { write("a", "one") },
		"the same, made anew": func() { require.NoError(t, os.Remove(path("a"))); write("a", "one") },
	}
	for what, do := range same {
		if do(); digest() != first {
			t.Errorf("%s is taken for a change", what)
		}
	}
	seen := map[string]string{first: "the first"}
	for _, c := range []struct {
		what string
		do   func()
	}{
		{"a content", func() { write("a", "two") }},
		{"a name", func() { require.NoError(t, os.Rename(path("a"), path("b"))) }},
		{"a mode", func() { require.NoError(t, os.Chmod(path("b"), 0o700)) }}, //nolint:gosec // an executable's
		{"a file", func() { write("c", "") }},
		{"a directory", func() { require.NoError(t, os.Mkdir(path("d"), 0o700)) }},
		{"a link", func() { require.NoError(t, os.Symlink("b", path("e"))) }},
		{"what is ignored", func() { write(".dockerignore", "c\n") }},
	} {
		c.do()
		d := digest()
		if seen[d] != "" {
			t.Errorf("%s has the digest of %s", c.what, seen[d])
		}
		seen[d] = c.what
	}
}

// TestUnreadable: a file that cannot be read is not left out.
func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("skipped: root reads everything")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), nil, 0o000))
	s, err := build.Open(stack.Build{Context: dir, Dockerfile: "Dockerfile"})
	require.NoError(t, err)
	if _, err = s.Digest(); err == nil {
		t.Error("a file that cannot be read was left out")
	}
}

// TestFingerprint: everything that makes another image has another one; what it is called and cached with has not.
func TestFingerprint(t *testing.T) {
	one, two := "1", "2"
	base := func() stack.Build {
		return stack.Build{Dockerfile: "Dockerfile", Options: client.ImageBuildOptions{BuildArgs: map[string]*string{"A": &one, "B": &one}}}
	}
	first := build.Fingerprint(base(), "content")
	// This is the tag of images in the registries of clusters there are.
	require.Equal(t, "d9fc96358d796472", first)
	for what, change := range map[string]func(*stack.Build){
		"name":    func(b *stack.Build) { b.Image, b.Service, b.Options.Tags = "x", "y", []string{"z"} },
		"cache":   func(b *stack.Build) { b.Options.CacheFrom, b.Options.NoCache = []string{"x"}, true },
		"place":   func(b *stack.Build) { b.Context = "/elsewhere" },
		"nothing": func(*stack.Build) {},
	} {
		if b := base(); build.Fingerprint(b, "content") != first {
			t.Errorf("%s is taken for a change", what)
		} else if change(&b); build.Fingerprint(b, "content") != first {
			t.Errorf("%s is taken for a change", what)
		}
	}
	seen := map[string]string{first: "none"}
	for what, change := range map[string]func(*stack.Build){
		"dockerfile": func(b *stack.Build) { b.Dockerfile = "other" },
		"inline":     func(b *stack.Build) { b.Inline = "FROM scratch" },
		"arg":        func(b *stack.Build) { b.Options.BuildArgs["B"] = &two },
		"args":       func(b *stack.Build) { delete(b.Options.BuildArgs, "B") },
		"label":      func(b *stack.Build) { b.Options.Labels = map[string]string{"A": "1"} },
		"target":     func(b *stack.Build) { b.Options.Target = "prod" },
		"network":    func(b *stack.Build) { b.Options.NetworkMode = "host" },
		"host":       func(b *stack.Build) { b.Options.ExtraHosts = []string{"a:192.0.2.1"} },
		"remote":     func(b *stack.Build) { b.Remote, b.Context = true, "https://example.org/a.git" },
	} {
		b := base()
		change(&b)
		f := build.Fingerprint(b, "content")
		if seen[f] != "" {
			t.Errorf("another %s has the fingerprint of another %s", what, seen[f])
		}
		seen[f] = what
	}
	if build.Fingerprint(base(), "other") == first {
		t.Error("another content has the same fingerprint")
	}
}
