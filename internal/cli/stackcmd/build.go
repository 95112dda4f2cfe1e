package stackcmd

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/stack"
	"github.com/skep-org/skep/internal/stack/build"
	"github.com/skep-org/skep/internal/stack/compose"
	"github.com/skep-org/skep/internal/stack/plan"
)

// built is an image that is built for the stack, and what is known of it.
type built struct {
	stack.Build
	source *build.Source // nil: the engine fetches the context
	digest string        // of what the source was when it was looked at
	name   string        // in the cluster's registry, with a tag that says what it is built of
	also   string        // the name the file has for it, if that is one of the cluster's registry
	there  bool          // the registry has it
	fresh  bool          // it has been built just now
	image  plan.Image    // what the registry says of it
}

// wanted reports whether it is to be built now.
func (b *built) wanted(always bool) bool { return !b.there || always || b.Always }

// from is where it comes from, in words.
func (b *built) from() string {
	if b.Remote {
		return b.Context
	}
	return compose.Shown(b.Context)
}

// lookAtBuilds finds out what each image would be built of and whether the cluster's registry has it, and has the services
// that are to run it name it.
func (d *deployment) lookAtBuilds(ctx context.Context, s *stack.Stack) error {
	d.builds = nil
	if len(s.Builds) == 0 {
		return nil
	}
	var place api.RegistryPlace
	if err := local.Over(d.host, d.client.Dialer()).Ask(ctx, http.MethodGet, "/skep/registry", &place, "the cluster's registry"); err != nil {
		return fmt.Errorf("the image of service %s is to be built, and there is nowhere to push it to: %w", s.Builds[0].Service, err)
	}
	for _, one := range s.Builds {
		b := &built{Build: one}
		if err := b.look(place.Registry, s.Name); err != nil {
			return fmt.Errorf("the image of service %s cannot be built: %w", b.Service, err)
		}
		images, err := d.resolve(ctx, []string{b.name})
		if err != nil {
			return err
		}
		b.image = images[b.name]
		if b.there = b.image.Err == ""; !b.there {
			if b.image, err = d.unbuilt(ctx, b); err != nil {
				return err
			}
		}
		d.builds = append(d.builds, b)
		b.run(s)
	}
	return nil
}

// unbuilt is what an image will be, as far as it is known: where it can run is.
func (d *deployment) unbuilt(ctx context.Context, b *built) (plan.Image, error) {
	out := plan.Image{Reference: b.name}
	for _, p := range b.Options.Platforms {
		out.Platforms = append(out.Platforms, platform(p.OS, p.Architecture))
	}
	if len(out.Platforms) == 0 {
		engine, err := d.client.ServerVersion(ctx, client.ServerVersionOptions{})
		if err != nil {
			return out, fmt.Errorf("what the engine builds for is not known: %w", err)
		}
		out.Platforms = append(out.Platforms, platform(engine.Os, engine.Arch))
	}
	return out, nil
}

// look names an image by what it is built of.
func (b *built) look(registry, stackName string) error {
	if !b.Remote {
		source, err := build.Open(b.Build)
		if err != nil {
			return err
		}
		if b.digest, err = source.Digest(); err != nil {
			return err
		}
		b.source = source
	}
	repository := registry + "/" + repositoryPart(stackName) + "/" + repositoryPart(b.Service)
	if named, err := reference.ParseNormalizedNamed(b.Image); err == nil && reference.Domain(named) == registry {
		repository = named.Name()
		b.also = reference.TagNameOnly(named).String()
	}
	b.name = repository + ":" + build.Fingerprint(b.Build, b.digest)
	return nil
}

// run has the services name the image.
func (b *built) run(s *stack.Stack) {
	for i := range s.Services {
		if spec := &s.Services[i]; slices.Contains(b.Runs, spec.Name) {
			spec.TaskTemplate.ContainerSpec.Image = b.name
			spec.Labels[stack.LabelImage] = b.name
		}
	}
}

// repositoryPart is a name as registries take it.
func repositoryPart(name string) string {
	name = strings.ToLower(name)
	if _, err := reference.WithName("x/" + name); err == nil {
		return name
	}
	return cmp.Or(strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(name, "-"), "-"), "image")
}
