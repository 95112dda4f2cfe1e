package socketmount

import (
	"path"
	"strings"

	"github.com/moby/moby/api/types/mount"
)

// Rewriter replaces the Docker socket by skep's. The zero value replaces nothing.
type Rewriter struct {
	// Socket is the path of skep's socket on this host; empty means leave everything as it is.
	Socket string
}

// Path is what to bind when source was asked for.
func (r Rewriter) Path(source string) string {
	if r.Socket == "" || !strings.HasPrefix(source, "/") {
		return source
	}
	switch path.Clean(source) {
	case "/var/run/docker.sock", "/run/docker.sock":
		return r.Socket
	}
	return source
}

// Bind rewrites one entry of HostConfig.Binds, "source:target[:options]".
func (r Rewriter) Bind(bind string) string {
	source, rest, ok := strings.Cut(bind, ":")
	if !ok {
		return bind
	}
	return r.Path(source) + ":" + rest
}

// Mount rewrites one mount.
func (r Rewriter) Mount(m mount.Mount) mount.Mount {
	if m.Type == mount.TypeBind {
		m.Source = r.Path(m.Source)
	}
	return m
}
