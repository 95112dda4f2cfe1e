package plan

import (
	"slices"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/swarm"
	"github.com/opencontainers/go-digest"

	"github.com/skep-org/skep/internal/stack"
)

// When the registry is asked which image a tag is at present.
const (
	ResolveAlways  = "always"
	ResolveChanged = "changed" // of services whose image in the file is another, or that are new
	ResolveNever   = "never"
)

// Image is what a registry says about one.
type Image struct {
	Reference string // with the digest
	Platforms []swarm.Platform
	Err       string // why it could not be asked
}

// Unresolved are the images a registry is to be asked about.
func Unresolved(s *stack.Stack, now []swarm.Service, resolve string) []string {
	var out []string
	for _, spec := range s.Services {
		image := spec.TaskTemplate.ContainerSpec.Image
		there := find(now, spec.Name, serviceName)
		switch {
		case resolve == ResolveNever, image == "":
		case resolve == ResolveChanged && there != nil && labelledImage(&there.Spec) == image:
		case !slices.Contains(out, image):
			out = append(out, image)
		}
	}
	return out
}

// image writes the image a service is to run: the registry's, or the one it has if the file names the same.
func (m *maker) image(spec *swarm.ServiceSpec, there *swarm.ServiceSpec) {
	c, p := *spec.TaskTemplate.ContainerSpec, *spec.TaskTemplate.Placement
	spec.TaskTemplate.ContainerSpec, spec.TaskTemplate.Placement = &c, &p
	asked := p.Platforms
	image := c.Image
	c.Image = tagged(image)
	kept := there != nil && labelledImage(there) == image && there.TaskTemplate.ContainerSpec != nil
	resolved, known := m.options.Resolved[image]
	switch {
	case known && resolved.Err == "":
		c.Image, p.Platforms = resolved.Reference, resolved.Platforms
	case kept:
		c.Image = there.TaskTemplate.ContainerSpec.Image
		if there.TaskTemplate.Placement != nil {
			p.Platforms = there.TaskTemplate.Placement.Platforms
		}
	}
	if known && resolved.Err != "" {
		m.unresolved(spec.Name, c.Image, kept, resolved.Err)
	}
	if len(asked) > 0 {
		if known && resolved.Err == "" && len(resolved.Platforms) > 0 && !slices.Contains(resolved.Platforms, asked[0]) {
			m.problem("service %s is to run on %s/%s, and its registry has no such image of %s", spec.Name, asked[0].OS, asked[0].Architecture, image)
		}
		p.Platforms = asked
	}
}

func (m *maker) unresolved(service, image string, kept bool, why string) {
	if kept {
		m.warn("service %s keeps the image %s: the registry could not be asked for a newer one: %s", service, image, why)
		return
	}
	m.warn("service %s: the registry could not be asked which image %s is at present, so that each node pulls what it finds: %s", service, image, why)
}

// tagged is an image with the tag that is meant where there is none.
func tagged(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	return reference.FamiliarString(reference.TagNameOnly(named))
}

// Pinned is an image with a digest, if it has none.
func Pinned(image string, to digest.Digest) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	if _, has := named.(reference.Digested); has {
		return image
	}
	pinned, err := reference.WithDigest(reference.TagNameOnly(named), to)
	if err != nil {
		return image
	}
	return reference.FamiliarString(pinned)
}
