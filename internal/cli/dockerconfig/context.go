package dockerconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ContextName is the context skep makes.
const ContextName = "skep"

// Dir is where the docker command keeps its configuration: $DOCKER_CONFIG or ~/.docker.
func Dir() (string, error) {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("looking for Docker's configuration: %w; set DOCKER_CONFIG", err)
	}
	return filepath.Join(home, ".docker"), nil
}

// meta is a context as the docker command stores it.
type meta struct {
	Name      string
	Metadata  struct{ Description string }
	Endpoints map[string]endpoint
}

type endpoint struct {
	Host          string
	SkipTLSVerify bool
}

// WriteContext creates the context, or points it at another host.
func WriteContext(dir, host string) error {
	scheme, rest, ok := strings.Cut(host, "://")
	if !ok || rest == "" || scheme != "unix" && scheme != "tcp" && scheme != "ssh" {
		return fmt.Errorf("%q is no address of an API: give unix:///path, tcp://address:port or ssh://user@machine", host)
	}
	m := meta{Name: ContextName, Endpoints: map[string]endpoint{"docker": {Host: host}}}
	m.Metadata.Description = "Docker Swarm mode by skep"
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding the Docker context: %w", err)
	}
	if err := os.MkdirAll(metaDir(dir), 0o755); err != nil {
		return fmt.Errorf("creating the Docker context: %w", err)
	}
	if err := replaceFile(filepath.Join(metaDir(dir), "meta.json"), data, 0o644); err != nil {
		return fmt.Errorf("writing the Docker context: %w", err)
	}
	return nil
}

// RemoveContext removes the context, and selects the default one if this one is selected. No context is no error.
func RemoveContext(dir string) error {
	selected, err := Selected(dir)
	if err != nil {
		return err
	}
	if selected == ContextName {
		err = Select(dir, "")
	}
	return errors.Join(err, os.RemoveAll(metaDir(dir)), os.RemoveAll(filepath.Join(dir, "contexts", "tls", digestOf(ContextName))))
}

func metaDir(dir string) string { return filepath.Join(dir, "contexts", "meta", digestOf(ContextName)) }
