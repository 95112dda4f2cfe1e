package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/skep-org/skep/internal/api/httperr"
)

// Images is a Cluster whose nodes serve a registry.
type Images interface {
	// RegistryAddr is where this node serves it; empty: it does not.
	RegistryAddr() string
	// RegistryAuth is the credential for an image, as the header X-Registry-Auth has it; empty for another registry's.
	RegistryAuth(image string) string
	// BuildAuth adds the credential to the header X-Registry-Config.
	BuildAuth(header string) (string, error)
	ListImages(ctx context.Context) ([]Image, error)
	// RemoveImage removes a tag, or a manifest with its tags.
	RemoveImage(ctx context.Context, name string) error
	// CollectImages removes what nobody has referred to for as long as grace.
	CollectImages(ctx context.Context, grace time.Duration) (Collected, error)
}

// RegistryPlace is where this node serves the cluster's registry.
type RegistryPlace struct{ Registry string }

// ImageList is the cluster's registry and what is in it.
type ImageList struct {
	Registry string
	Images   []Image
}

// Image is an image of the cluster's registry.
type Image struct {
	Repository string
	Tag        string // empty: it has none
	Digest     string
	Size       uint64 // bytes of its blobs
	Copies     int    // how many nodes that are up have its scarcest blob
	Pushed     time.Time
}

// Collected is what a collection has removed.
type Collected struct {
	Blobs int
	Bytes uint64
}

// images is this node's registry, or why it has none.
func (s *Server) images() (Images, error) {
	if c, ok := s.Cluster.(Images); ok && c.RegistryAddr() != "" {
		return c, nil
	}
	return nil, httperr.Unavailable("this node serves no registry: it is not part of a cluster, or --registry-addr is off")
}

func (s *Server) registryPlace(r *request) error {
	c, err := s.images()
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, RegistryPlace{Registry: c.RegistryAddr()})
}

func (s *Server) imageList(r *request) error {
	c, err := s.images()
	if err != nil {
		return err
	}
	list, err := c.ListImages(r.Context())
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, ImageList{Registry: c.RegistryAddr(), Images: list})
}

func (s *Server) imageRemove(r *request) error {
	c, err := s.images()
	if err != nil {
		return err
	}
	if err := c.RemoveImage(r.Context(), r.URL.Query().Get("name")); err != nil {
		return err
	}
	return r.ok()
}

func (s *Server) imageCollect(r *request) error {
	c, err := s.images()
	if err != nil {
		return err
	}
	grace, err := time.ParseDuration(r.URL.Query().Get("grace"))
	if err != nil || grace < 0 {
		return httperr.BadRequest("grace has to be a time such as 24h or 0s")
	}
	done, err := c.CollectImages(r.Context(), grace)
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, done)
}

// imagePull and the two below pass the engine's own routes on, with the credential where the image is the cluster's.
func (s *Server) imagePull(r *request) error {
	return s.withRegistryAuth(r, r.URL.Query().Get("fromImage"))
}

func (s *Server) imagePush(r *request) error { return s.withRegistryAuth(r, r.id) }

func (s *Server) imageDistribution(r *request) error { return s.withRegistryAuth(r, r.id) }

func (s *Server) withRegistryAuth(r *request, image string) error {
	if name, err := url.PathUnescape(image); err == nil {
		image = name
	}
	if auth := s.registryAuth(image); auth != "" {
		r.Header.Set(registryAuth, auth)
	}
	return s.forward(r)
}

// registryAuth is the credential for an image of the cluster's registry; empty for another one's.
func (s *Server) registryAuth(image string) string {
	if c, ok := s.Cluster.(Images); ok {
		return c.RegistryAuth(image)
	}
	return ""
}

// registryConfig is the header with the credentials of all registries.
const registryConfig = "X-Registry-Config"

// imageBuild lets a build begin with the cluster's images.
func (s *Server) imageBuild(r *request) error {
	if c, ok := s.Cluster.(Images); ok && c.RegistryAddr() != "" {
		header, err := c.BuildAuth(r.Header.Get(registryConfig))
		if err != nil {
			return httperr.BadRequest("the header %s cannot be read: %s", registryConfig, err)
		}
		r.Header.Set(registryConfig, header)
	}
	return s.forward(r)
}
