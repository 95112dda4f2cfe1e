package secretdriver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
)

// plugin is one plugin's API.
type plugin struct {
	name string
	base string
	http *http.Client
}

// newPlugin is a plugin at an address: unix:///path, tcp://host:port or http://host:port.
func newPlugin(name, address string) *plugin {
	p := &plugin{name: name}
	t := &http.Transport{DisableKeepAlives: true}
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		p.base = "http://plugin"
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}
	} else {
		p.base = strings.TrimSuffix("http://"+strings.TrimPrefix(strings.TrimPrefix(address, "tcp://"), "http://"), "/")
	}
	p.http = &http.Client{Transport: t}
	return p
}

func (p *plugin) close() { p.http.CloseIdleConnections() }

// activate asks a plugin what it is.
func (p *plugin) activate(ctx context.Context) error {
	var says struct{ Implements []string }
	if err := p.call(ctx, "/Plugin.Activate", nil, &says); err != nil {
		return err
	}
	if !slices.Contains(says.Implements, capability) {
		return notFoundError(p.name)
	}
	return nil
}

// mediaType is that of the plugin protocol.
const mediaType = "application/vnd.docker.plugins.v1.2+json"

// largest bounds an answer: a secret's limit in base 64 and some.
const largest = 1 << 20

func (p *plugin) call(ctx context.Context, path string, question, answer any) error {
	var body bytes.Buffer
	if question != nil {
		if err := json.NewEncoder(&body).Encode(question); err != nil {
			return fmt.Errorf("plugin %s: %w", p.name, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, &body)
	if err != nil {
		return fmt.Errorf("plugin %s: %w", p.name, err)
	}
	req.Header.Set("Accept", mediaType)
	req.Header.Set("Content-Type", mediaType)
	resp, err := p.http.Do(req)
	if err != nil {
		return fmt.Errorf("plugin %s does not answer: %w", p.name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, largest))
	if err != nil {
		return fmt.Errorf("reading the answer of plugin %s: %w", p.name, err)
	}
	if resp.StatusCode != http.StatusOK {
		var said struct{ Err string }
		if json.Unmarshal(raw, &said) != nil || said.Err == "" {
			said.Err = strings.TrimSpace(string(raw))
		}
		return fmt.Errorf("plugin %s: %s: %s", p.name, resp.Status, said.Err)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("reading the answer of plugin %s: %w", p.name, err)
	}
	return nil
}
