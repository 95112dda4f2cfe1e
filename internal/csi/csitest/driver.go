package csitest

import (
	"context"
	"os"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Mounter mounts and unmounts; tests without root have one that only remembers.
type Mounter interface {
	Bind(from, to string) error
	Unmount(path string) error
	Mounted(path string) bool
}

// Options are a driver's.
type Options struct {
	Place    Place
	Node     string
	Detached bool   // its controller is not told of nodes
	Unstaged bool   // it has nothing staged
	Zone     string // the node is in; empty: there are no zones
	Secret   string // what calls have to bring under the key "password"; empty: nothing
	Mounts   Mounter
	Crash    func() // ends the process
}

// Driver is one host's.
type Driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	o Options
}

// New makes a driver. What the host had mounted before it was switched off is gone.
func New(o Options) (*Driver, error) {
	d := &Driver{o: o}
	return d, o.Place.change(func(s *State) error {
		for _, v := range s.Volumes {
			if stay := v.Nodes[o.Node]; stay != nil {
				if stay.Staged != "" && !o.Unstaged && !o.Mounts.Mounted(stay.Staged) {
					stay.Staged = ""
				}
				if stay.Published != "" && !o.Mounts.Mounted(stay.Published) {
					stay.Published = ""
				}
			}
		}
		return nil
	})
}

// Server answers for the driver; its calls go wrong as they are told to.
func (d *Driver) Server() *grpc.Server {
	s := grpc.NewServer(grpc.UnaryInterceptor(d.disturb))
	csi.RegisterIdentityServer(s, d)
	csi.RegisterControllerServer(s, d)
	csi.RegisterNodeServer(s, d)
	return s
}

// disturb has a call go wrong, if a fault says so.
func (d *Driver) disturb(ctx context.Context, req any, info *grpc.UnaryServerInfo, call grpc.UnaryHandler) (any, error) {
	name := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	how := How("")
	err := d.o.Place.change(func(s *State) error {
		for i := range s.Faults {
			f := &s.Faults[i]
			if f.Left > 0 && (f.Call == "" || f.Call == name) && (f.Node == "" || f.Node == d.o.Node) {
				f.Left--
				how = f.How
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	switch how {
	case FailBefore:
		return nil, status.Error(codes.Internal, "told to fail before "+name)
	case CrashBefore:
		d.o.Crash()
	case Hang:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	answer, err := call(ctx, req)
	switch {
	case err != nil:
	case how == FailAfter:
		return nil, status.Error(codes.Internal, "told to fail after "+name)
	case how == CrashAfter:
		d.o.Crash()
	}
	return answer, err
}

// GetPluginInfo implements csi.IdentityServer.
func (d *Driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: "test.skep", VendorVersion: "1"}, nil
}

// GetPluginCapabilities implements csi.IdentityServer.
func (d *Driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

// Probe implements csi.IdentityServer.
func (d *Driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

// allowed checks the secret that a call has to bring.
func (d *Driver) allowed(secrets map[string]string) error {
	if d.o.Secret != "" && secrets["password"] != d.o.Secret {
		return status.Error(codes.Unauthenticated, "the password is wrong")
	}
	return nil
}

// volume has f look at, or change, a volume that there is.
func (d *Driver) volume(call, id string, f func(*State, *Volume) error) error {
	return d.o.Place.change(func(s *State) error {
		v := s.Volumes[id]
		if v == nil {
			return status.Errorf(codes.NotFound, "there is no volume %s", id)
		}
		err := f(s, v)
		if err == nil {
			s.Calls[call]++
		}
		return err
	})
}

// remove removes an empty directory.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
