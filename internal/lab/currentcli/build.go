package currentcli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Version is the release that is built.
const Version = "v29.9.3+incompatible"

// The CLI reads a few types of swarmkit alone; where the proxy does not have the release that it names, an older one does.
const (
	swarmkit    = "github.com/moby/swarmkit/v2"
	oldSwarmkit = "v2.1.2"
)

// Build makes the program at path.
func Build(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp("", "dockercli")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := source(ctx, dir); err != nil {
		return fmt.Errorf("fetching the source of the docker CLI %s: %w", Version, err)
	}
	build := []string{"build", "-trimpath", "-o", path, "./cmd/docker"}
	if _, err = run(ctx, dir, build...); err == nil {
		return nil
	}
	if _, edit := run(ctx, dir, "mod", "edit", "-replace", swarmkit+"="+swarmkit+"@"+oldSwarmkit); edit != nil {
		return edit
	}
	if _, again := run(ctx, dir, build...); again != nil {
		return fmt.Errorf("building the docker CLI %s: %w", Version, again)
	}
	return nil
}

// source puts the CLI's source into dir and makes it the module that its own file says it is.
func source(ctx context.Context, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module fetch\n"), 0o600); err != nil {
		return err
	}
	out, err := run(ctx, dir, "mod", "download", "-json", "github.com/docker/cli@"+Version)
	if err != nil {
		return err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return fmt.Errorf("reading what go mod download says: %w", err)
	}
	if err := os.Remove(filepath.Join(dir, "go.mod")); err != nil {
		return err
	}
	if err := os.CopyFS(dir, os.DirFS(module.Dir)); err != nil {
		return err
	}
	for from, to := range map[string]string{"vendor.mod": "go.mod", "vendor.sum": "go.sum"} {
		text, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o600); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(dir, "vendor"))
}

// run runs the go command there, outside this project's module.
func run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		said := bytes.TrimSpace(errs.Bytes())
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, said[max(0, len(said)-500):])
	}
	return out, nil
}
