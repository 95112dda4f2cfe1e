package dockerconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// DefaultContext is what the docker command calls the engine of this machine. No file says where that is.
const DefaultContext = "default"

// Endpoint is where a context's API is, and the files to prove oneself by there; empty: none.
type Endpoint struct {
	Host          string
	CA, Cert, Key string
	SkipTLSVerify bool
}

// EndpointOf reads a context.
func EndpointOf(dir, name string) (Endpoint, error) {
	data, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", digestOf(name), "meta.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Endpoint{}, fmt.Errorf("there is no Docker context %q in %s: docker context ls lists those there are", name, dir)
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("reading the Docker context %s: %w", name, err)
	}
	var m meta
	if err := json.Unmarshal(data, &m); err != nil {
		return Endpoint{}, fmt.Errorf("the Docker context %s cannot be read: %w", name, err)
	}
	docker, ok := m.Endpoints["docker"]
	if !ok || docker.Host == "" {
		return Endpoint{}, fmt.Errorf("the Docker context %s is for no engine: it has no docker endpoint", name)
	}
	e := Endpoint{Host: docker.Host, SkipTLSVerify: docker.SkipTLSVerify}
	for file, into := range map[string]*string{"ca.pem": &e.CA, "cert.pem": &e.Cert, "key.pem": &e.Key} {
		path := filepath.Join(dir, "contexts", "tls", digestOf(name), "docker", file)
		if _, err := os.Stat(path); err == nil {
			*into = path
		}
	}
	return e, nil
}

// digestOf is the name of a context's directories: the docker command hashes names so that any name is a valid one.
func digestOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}
