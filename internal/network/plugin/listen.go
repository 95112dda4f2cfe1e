package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// DefaultDir is where engines look for the sockets of their plugins.
const DefaultDir = "/run/docker/plugins"

// Listen makes the driver's socket in dir. One that a process left behind is taken over; one that is served is not.
func Listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, Name+".sock")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the engine's plugins: %w", err)
	}
	if conn, err := net.Dial("unix", path); err == nil { //nolint:noctx // a socket of this machine answers at once or not
		return nil, errors.Join(fmt.Errorf("%s is served by another process: does a second skep run on this machine?", path), conn.Close())
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the socket that an earlier process left: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for the engine: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("close the socket to others: %w", err), l.Close())
	}
	return l, nil
}
