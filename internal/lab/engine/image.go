package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/moby/moby/client"
)

// File is a file of an image: its absolute path there and the file on this machine it is copied from. It becomes
// executable. With Link it is a link to another path of the image instead.
type File struct{ Path, From, Link string }

// ImportImage makes an image FROM scratch of some files through the engine's API. Changes are Dockerfile instructions
// such as `ENTRYPOINT ["/whoami"]` or `EXPOSE 8080`. It returns the image's id.
func ImportImage(ctx context.Context, api *client.Client, tag string, files []File, changes ...string) (string, error) {
	layer, err := tarOf(files)
	if err != nil {
		return "", fmt.Errorf("making image %s: %w", tag, err)
	}
	source := client.ImageImportSource{Source: layer, SourceName: "-"}
	answer, err := api.ImageImport(ctx, source, tag, client.ImageImportOptions{Changes: changes})
	if err != nil {
		return "", fmt.Errorf("importing image %s: %w", tag, err)
	}
	defer func() { _ = answer.Close() }()
	id, err := lastStatus(answer)
	if err != nil {
		return "", fmt.Errorf("importing image %s: %w", tag, err)
	}
	return id, nil
}

// lastStatus reads the engine's stream of messages; the last status of an import is the image's id.
func lastStatus(r io.Reader) (string, error) {
	last := ""
	for dec := json.NewDecoder(r); ; {
		var message struct{ Status, Error string }
		if err := dec.Decode(&message); errors.Is(err, io.EOF) {
			return last, nil
		} else if err != nil {
			return "", fmt.Errorf("reading the engine's answer: %w", err)
		}
		if message.Error != "" {
			return "", errors.New(message.Error)
		}
		last = message.Status
	}
}

func tarOf(files []File) (io.Reader, error) {
	buf := new(bytes.Buffer)
	w := tar.NewWriter(buf)
	for _, f := range files {
		if f.Link != "" {
			if err := w.WriteHeader(&tar.Header{Name: f.Path, Mode: 0o777, Typeflag: tar.TypeSymlink, Linkname: f.Link}); err != nil {
				return nil, err
			}
			continue
		}
		data, err := os.ReadFile(f.From)
		if err != nil {
			return nil, err
		}
		header := &tar.Header{Name: f.Path, Mode: 0o755, Size: int64(len(data)), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf, nil
}

// BuildStatic compiles a Go main package of this module to a static program at path.
func BuildStatic(ctx context.Context, pkg, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w: %s", pkg, err, out)
	}
	return nil
}
