package dockerconfig

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
)

// hub is what the docker command calls its own registry.
const hub = "https://index.docker.io/v1/"

// RegistryAuth is what docker login has kept for an image's registry, as the API's header wants it. Nothing kept is no error.
func RegistryAuth(ctx context.Context, dir, image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fmt.Errorf("%s is no image: %w", image, err)
	}
	server := reference.Domain(named)
	if server == "docker.io" {
		server = hub
	}
	kept, err := credentials(ctx, dir, server)
	if err != nil {
		return "", err
	}
	return authconfig.Encode(kept)
}

// All is what docker login has kept for any registry, by its name in Docker's configuration.
func All(ctx context.Context, dir string) (map[string]registry.AuthConfig, error) {
	raw, err := read(dir)
	if err != nil {
		return nil, err
	}
	out := map[string]registry.AuthConfig{}
	for _, key := range []string{"auths", "credHelpers"} { // with a store, too, each server is among auths
		var servers map[string]json.RawMessage
		if text, ok := raw[key]; ok {
			if err := json.Unmarshal(text, &servers); err != nil {
				return nil, fmt.Errorf("reading %s of Docker's configuration in %s: %w", key, dir, err)
			}
		}
		for server := range servers {
			kept, err := credentials(ctx, dir, server)
			if err != nil {
				return nil, err
			}
			out[server] = kept
		}
	}
	return out, nil
}

// credentials come from a helper, if there is one for the server or for all, or else from the file.
func credentials(ctx context.Context, dir, server string) (registry.AuthConfig, error) {
	raw, err := read(dir)
	if err != nil {
		return registry.AuthConfig{}, err
	}
	var auths map[string]struct {
		Auth          string `json:"auth"`
		IdentityToken string `json:"identitytoken"`
		RegistryToken string `json:"registrytoken"`
	}
	var helpers map[string]string
	var store string
	for key, into := range map[string]any{"auths": &auths, "credHelpers": &helpers, "credsStore": &store} {
		if text, ok := raw[key]; ok {
			if err := json.Unmarshal(text, into); err != nil {
				return registry.AuthConfig{}, fmt.Errorf("reading %s of Docker's configuration in %s: %w", key, dir, err)
			}
		}
	}
	if helper := helpers[server]; helper != "" {
		store = helper
	}
	if store != "" {
		return ask(ctx, store, server)
	}
	for key, kept := range auths {
		if key != server && hostOf(key) != server {
			continue
		}
		out := registry.AuthConfig{ServerAddress: server, IdentityToken: kept.IdentityToken, RegistryToken: kept.RegistryToken}
		decoded, err := base64.StdEncoding.DecodeString(kept.Auth)
		if err != nil {
			return out, fmt.Errorf("what Docker's configuration in %s has for %s cannot be read: log in again", dir, key)
		}
		out.Username, out.Password, _ = strings.Cut(strings.TrimRight(string(decoded), "\x00"), ":")
		return out, nil
	}
	return registry.AuthConfig{}, nil
}

// hostOf is the host of a key: older files have addresses.
func hostOf(key string) string {
	if key == hub {
		return key
	}
	_, rest, found := strings.Cut(key, "://")
	if !found {
		rest = key
	}
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// ask has a program of Docker's look the credentials up.
func ask(ctx context.Context, helper, server string) (registry.AuthConfig, error) {
	program := "docker-credential-" + helper
	cmd := exec.CommandContext(ctx, program, "get") //nolint:gosec // the user's own configuration names it
	cmd.Stdin = strings.NewReader(server)
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		said := strings.TrimSpace(string(out) + failed.String())
		if strings.Contains(said, "credentials not found") {
			return registry.AuthConfig{}, nil
		}
		return registry.AuthConfig{}, fmt.Errorf("%s does not tell the credentials of %s: %w: %s", program, server, err, said)
	}
	var got struct{ Username, Secret string }
	if err := json.Unmarshal(out, &got); err != nil {
		return registry.AuthConfig{}, fmt.Errorf("the answer of %s cannot be read: %w", program, err)
	}
	kept := registry.AuthConfig{ServerAddress: server, Username: got.Username, Password: got.Secret}
	if got.Username == "<token>" {
		kept = registry.AuthConfig{ServerAddress: server, IdentityToken: got.Secret}
	}
	return kept, nil
}
