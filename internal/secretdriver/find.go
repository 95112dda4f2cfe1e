package secretdriver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// capability is how a plugin says that it keeps secrets.
const capability = "secretprovider"

// Drivers finds and asks plugins.
type Drivers struct {
	Dir    string            // where the engine looks for the sockets of its plugins
	Specs  []string          // where it looks for files that say where else one listens
	Engine http.RoundTripper // the engine's API; nil: there are none that it manages
}

// DefaultSpecs are the engine's directories of plugins' specs.
func DefaultSpecs() []string { return []string{"/etc/docker/plugins", "/usr/lib/docker/plugins"} }

// ErrNotFound is wrapped by errors about a plugin that is not there, or is no secret provider.
var ErrNotFound = errors.New("not found")

// notFoundError has Docker's words.
type notFoundError string

func (n notFoundError) Error() string        { return fmt.Sprintf("plugin %q not found", string(n)) }
func (n notFoundError) Is(target error) bool { return target == ErrNotFound }

// Find reports whether there is a plugin of that name that keeps secrets.
func (d Drivers) Find(ctx context.Context, name string) error {
	_, err := d.find(ctx, name)
	return err
}

// find is where a plugin listens.
func (d Drivers) find(ctx context.Context, name string) (*plugin, error) {
	if p, err := d.managed(ctx, name); p != nil || err != nil {
		return p, err
	}
	if strings.ContainsAny(name, "/\\") || strings.HasPrefix(name, ".") {
		return nil, notFoundError(name)
	}
	address, err := d.address(name)
	if err != nil {
		return nil, err
	}
	p := newPlugin(name, address)
	if err := p.activate(ctx); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// managed looks for a plugin that the engine runs.
func (d Drivers) managed(ctx context.Context, name string) (*plugin, error) {
	if d.Engine == nil {
		return nil, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/plugins/"+escape(name)+"/json", nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.Engine.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("asking the engine for plugin %s: %w", name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, nil // none of the engine's
	}
	var found struct {
		ID      string `json:"Id"`
		Enabled bool
		Config  struct {
			Interface struct {
				Types  []json.RawMessage
				Socket string
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil {
		return nil, fmt.Errorf("reading what the engine says of plugin %s: %w", name, err)
	}
	if !found.Enabled || !provides(found.Config.Interface.Types) {
		return nil, notFoundError(name)
	}
	return newPlugin(name, "unix://"+filepath.Join(d.Dir, found.ID, found.Config.Interface.Socket)), nil
}

func escape(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// provides reads types as the engine writes them, "docker.secretprovider/1.0", or in parts.
func provides(types []json.RawMessage) bool {
	for _, raw := range types {
		var text string
		var parts struct{ Capability string }
		if json.Unmarshal(raw, &text) == nil {
			_, kind, _ := strings.Cut(text, ".")
			text, _, _ = strings.Cut(kind, "/")
		} else if json.Unmarshal(raw, &parts) == nil {
			text = parts.Capability
		}
		if text == capability {
			return true
		}
	}
	return false
}

// address is where an older plugin listens: a socket of its name, or what a file of its name says.
func (d Drivers) address(name string) (string, error) {
	for _, path := range []string{filepath.Join(d.Dir, name+".sock"), filepath.Join(d.Dir, name, name+".sock")} {
		if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
			return "unix://" + path, nil
		}
	}
	for _, dir := range d.Specs {
		for _, path := range []string{filepath.Join(dir, name+".spec"), filepath.Join(dir, name, name+".spec")} {
			if text, err := os.ReadFile(path); err == nil {
				return strings.TrimSpace(string(text)), nil
			}
		}
		for _, path := range []string{filepath.Join(dir, name+".json"), filepath.Join(dir, name, name+".json")} {
			var spec struct{ Addr string }
			if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &spec) == nil {
				return spec.Addr, nil
			}
		}
	}
	return "", notFoundError(name)
}
