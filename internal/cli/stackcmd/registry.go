package stackcmd

import (
	"context"
	"strings"

	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/cli/clusterapi"
	"github.com/skep-org/skep/internal/stack/plan"
)

// auth is what the docker command would send for an image; nothing, if it is not asked for.
func (d *deployment) auth(ctx context.Context, image string) (string, error) {
	if !d.registryAuth {
		return "", nil
	}
	return clusterapi.RegistryAuth(ctx, image)
}

// resolve asks the registries which images the tags are, through the daemon.
func (d *deployment) resolve(ctx context.Context, images []string) (map[string]plan.Image, error) {
	out := map[string]plan.Image{}
	for _, image := range images {
		auth, err := d.auth(ctx, image)
		if err != nil {
			return nil, err
		}
		got, err := d.client.DistributionInspect(ctx, image, client.DistributionInspectOptions{EncodedRegistryAuth: auth})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			out[image] = plan.Image{Err: err.Error()}
			continue
		}
		out[image] = plan.Image{Reference: plan.Pinned(image, got.Descriptor.Digest), Platforms: platforms(got.DistributionInspect)}
	}
	return out, nil
}

// platforms are those a task of the image may run on, each once. Attestations are none, and what nodes call arm has many
// names, so that it is not held against them.
func platforms(image registry.DistributionInspect) []swarm.Platform {
	var out []swarm.Platform
	seen := map[swarm.Platform]bool{}
	for _, p := range image.Platforms {
		one := platform(p.OS, p.Architecture)
		if p.OS != "unknown" && p.Architecture != "unknown" && !seen[one] {
			seen[one] = true
			out = append(out, one)
		}
	}
	return out
}

func platform(os, architecture string) swarm.Platform {
	if strings.EqualFold(architecture, "arm") {
		architecture = ""
	}
	return swarm.Platform{OS: os, Architecture: architecture}
}
