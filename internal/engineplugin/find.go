package engineplugin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Finder asks an engine for its plugins.
type Finder struct {
	Dir    string            // where the engine keeps the sockets of its plugins
	Engine http.RoundTripper // the engine's API; nil: there are no plugins
}

// Plugin is an engine's plugin.
type Plugin struct {
	ID              string
	Name            string // with its tag, as the engine has it
	Enabled         bool
	Socket          string // where it listens, on the host
	PropagatedMount string // the directory in it whose mounts the host sees; empty: it has none
	capabilities    []string
}

// Provides reports whether the plugin says that it has a capability, as "secretprovider".
func (p *Plugin) Provides(capability string) bool {
	return slices.Contains(p.capabilities, capability)
}

// found is what the engine says of a plugin.
type found struct {
	ID      string `json:"Id"`
	Name    string
	Enabled bool
	Config  struct {
		Interface struct {
			Types  []json.RawMessage
			Socket string
		}
		PropagatedMount string
	}
}

func (f Finder) plugin(p found) *Plugin {
	out := &Plugin{ID: p.ID, Name: p.Name, Enabled: p.Enabled, PropagatedMount: p.Config.PropagatedMount}
	out.Socket = filepath.Join(f.Dir, p.ID, p.Config.Interface.Socket)
	for _, raw := range p.Config.Interface.Types {
		out.capabilities = append(out.capabilities, capability(raw))
	}
	return out
}

// Named is the plugin of a name; nil: the engine has none.
func (f Finder) Named(ctx context.Context, name string) (*Plugin, error) {
	var p found
	ok, err := f.ask(ctx, "/plugins/"+escape(name)+"/json", "plugin "+name, &p)
	if !ok || err != nil {
		return nil, err
	}
	return f.plugin(p), nil
}

// Enabled are the plugins that run and have a capability.
func (f Finder) Enabled(ctx context.Context, capability string) ([]*Plugin, error) {
	var all []found
	if _, err := f.ask(ctx, "/plugins", "its plugins", &all); err != nil {
		return nil, err
	}
	var out []*Plugin
	for _, p := range all {
		if one := f.plugin(p); one.Enabled && one.Provides(capability) {
			out = append(out, one)
		}
	}
	return out, nil
}

// Root is the engine's directory.
func (f Finder) Root(ctx context.Context) (string, error) {
	var info struct{ DockerRootDir string }
	_, err := f.ask(ctx, "/info", "itself", &info)
	return info.DockerRootDir, err
}

// ask reports whether the engine has what is asked for.
func (f Finder) ask(ctx context.Context, path, what string, answer any) (bool, error) {
	if f.Engine == nil {
		return false, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, nil)
	if err != nil {
		return false, err
	}
	resp, err := f.Engine.RoundTrip(req)
	if err != nil {
		return false, fmt.Errorf("asking the engine for %s: %w", what, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return false, nil // none of the engine's
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return false, fmt.Errorf("reading what the engine says of %s: %w", what, err)
	}
	return true, nil
}

func escape(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// capability reads a type as the engine writes it, "docker.secretprovider/1.0", or in parts.
func capability(raw json.RawMessage) string {
	var text string
	var parts struct{ Capability string }
	if json.Unmarshal(raw, &text) == nil {
		_, kind, _ := strings.Cut(text, ".")
		text, _, _ = strings.Cut(kind, "/")
	} else if json.Unmarshal(raw, &parts) == nil {
		text = parts.Capability
	}
	return text
}
