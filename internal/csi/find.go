package csi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/skep-org/skep/internal/engineplugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// DefaultDir is where drivers that are no plugins of the engine listen: NAME.sock.
const DefaultDir = "/run/skep/csi"

// Role is what of a driver is asked for, as engine plugins name it.
type Role string

// The roles.
const (
	Controller Role = "csicontroller"
	Node       Role = "csinode"
)

// ErrNotFound is wrapped by errors about a driver that is not there.
var ErrNotFound = errors.New("not found")

// Drivers finds a node's drivers.
type Drivers struct {
	Dir     string // where those listen that are no plugins; see DefaultDir
	Plugins engineplugin.Finder
}

// Driver is one that was found.
type Driver struct {
	Name   string // as volumes name it
	Socket string
	Plugin *engineplugin.Plugin // nil: it is none of the engine's
}

// Find is the driver of a name that has a role.
func (d Drivers) Find(ctx context.Context, name string, role Role) (Driver, error) {
	if strings.Contains(name, "..") {
		return Driver{}, missing(name)
	}
	path := filepath.Join(d.Dir, name+".sock")
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		return Driver{Name: name, Socket: path}, nil
	}
	p, err := d.Plugins.Named(ctx, name)
	switch {
	case err != nil:
		return Driver{}, err
	case p == nil:
		return Driver{}, missing(name)
	case !p.Enabled:
		return Driver{}, fmt.Errorf("plugin %s is disabled on this node: docker plugin enable %s: %w", name, name, ErrNotFound)
	case !p.Provides(string(role)):
		return Driver{}, fmt.Errorf("plugin %s is no CSI driver of kind docker.%s/1.0: %w", name, role, ErrNotFound)
	}
	return Driver{Name: name, Socket: p.Socket, Plugin: p}, nil
}

func missing(name string) error {
	return fmt.Errorf("CSI driver %q %w on this node: install its plugin, or have it listen at %s", name, ErrNotFound, filepath.Join(DefaultDir, name+".sock"))
}

// All are the drivers with a role. Those in skep's directory have both, as far as is known.
func (d Drivers) All(ctx context.Context, role Role) ([]Driver, error) {
	var out []Driver
	entries, err := os.ReadDir(d.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking for CSI drivers: %w", err)
	}
	for _, e := range entries {
		if name, is := strings.CutSuffix(e.Name(), ".sock"); is && e.Type()&fs.ModeSocket != 0 {
			out = append(out, Driver{Name: name, Socket: filepath.Join(d.Dir, e.Name())})
		}
	}
	managed, err := d.Plugins.Enabled(ctx, string(role))
	for _, p := range managed {
		out = append(out, Driver{Name: strings.TrimSuffix(p.Name, ":latest"), Socket: p.Socket, Plugin: p})
	}
	return out, err
}

// Dial opens a connection.
func (d Driver) Dial() (*grpc.ClientConn, error) {
	return grpc.NewClient("unix://"+d.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
}
