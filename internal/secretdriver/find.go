package secretdriver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/skep-org/skep/internal/engineplugin"
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
	found, err := engineplugin.Finder{Dir: d.Dir, Engine: d.Engine}.Named(ctx, name)
	switch {
	case found == nil || err != nil:
		return nil, err
	case !found.Enabled || !found.Provides(capability):
		return nil, notFoundError(name)
	}
	return newPlugin(name, "unix://"+found.Socket), nil
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
