package stack

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skep-org/skep/internal/stack/finding"
)

// Build is an image that has to be built before the services that run it can be deployed. Their specs have no image of their
// own until then: what it is called in the cluster's registry is not known to the files.
type Build struct {
	Service string   // whose it is in the file
	Runs    []string // the full names of the services that run it
	Image   string   // what the file calls the result; empty: nothing
	// Always is of one that is built also when nothing has changed of what it is made of.
	Always bool
	// Context is a directory of this machine, or, if Remote, an address that the engine fetches.
	Context string
	Remote  bool
	// Dockerfile is a path, absolute or below the context; Inline is what it says, if the files say so themselves.
	Dockerfile, Inline string
	// Options are the engine's, without what says where the context is. Their Tags are further names of the file's.
	Options client.ImageBuildOptions
}

// buildIt is the build a service asks for.
func (s *service) buildIt() {
	b := s.Build
	out := Build{
		Service: s.name, Runs: []string{scoped(s.stack.Name, s.name)}, Image: s.Image,
		Always:  b.NoCache || b.Pull || s.PullPolicy == types.PullPolicyBuild,
		Context: b.Context, Remote: !filepath.IsAbs(b.Context), Dockerfile: b.Dockerfile, Inline: b.DockerfileInline,
		Options: client.ImageBuildOptions{
			Tags: b.Tags, BuildArgs: b.Args, Labels: b.Labels, Target: b.Target, NetworkMode: b.Network, ShmSize: int64(b.ShmSize),
			ExtraHosts: buildHosts(b.ExtraHosts), Ulimits: ulimits(b.Ulimits), Isolation: container.Isolation(b.Isolation),
			NoCache: b.NoCache, PullParent: b.Pull, CacheFrom: s.cacheFrom(), Platforms: s.buildPlatform(),
		},
	}
	out.Always = out.Always || out.Remote
	scheme, _, _ := strings.Cut(b.Context, ":")
	switch {
	case out.Remote && slices.Contains([]string{"service", "docker-image", "oci-layout", "target"}, scheme):
		s.refuse("build.context", "the engine's own builder begins with a directory, a Git repository or an archive at an address, not with %s", b.Context)
	case out.Remote && out.Inline != "":
		s.refuse("build.dockerfile_inline", "the context is fetched by the engine, with the Dockerfile in it: leave one out")
	}
	if s.Image != "" {
		s.note("image", "the image that is built gets this name on the node that builds it, and is pushed to the cluster's registry alone")
	}
	s.stack.Builds = append(s.stack.Builds, out)
}

// sharedBuilds has services without a build of their own run what another one builds under the name they give.
func (c *converter) sharedBuilds() {
	taken := map[string]bool{}
	for i := range c.stack.Builds {
		b := &c.stack.Builds[i]
		for name, s := range c.Project.Services {
			if b.Image != "" && s.Build == nil && s.Image == b.Image && !taken[name] {
				taken[name] = true
				b.Runs = append(b.Runs, scoped(c.stack.Name, name))
			}
		}
		slices.Sort(b.Runs)
	}
}

// cacheFrom are the images among the sources of a build's cache.
func (s *service) cacheFrom() []string {
	var out []string
	for _, from := range s.Build.CacheFrom {
		if !strings.Contains(from, "=") {
			out = append(out, from)
			continue
		}
		kind, ref := "", ""
		for field := range strings.SplitSeq(from, ",") {
			switch key, value, _ := strings.Cut(field, "="); key {
			case "type":
				kind = value
			case "ref":
				ref = value
			}
		}
		if kind != "registry" || ref == "" {
			s.warn("build.cache_from", "the engine's own builder takes its cache from images: %s is left out", from)
			continue
		}
		out = append(out, ref)
	}
	return out
}

// buildPlatform is the one the engine is to build for; none is its own.
func (s *service) buildPlatform() []ocispec.Platform {
	all := s.Build.Platforms
	switch {
	case s.Platform != "":
		all = []string{s.Platform}
	case len(all) > 1:
		s.warn("build.platforms", "the engine builds for one platform, which is its node's own: tasks run on nodes of that one")
		return nil
	case len(all) == 0:
		return nil
	}
	parts := strings.Split(all[0], "/")
	if len(parts) < 2 || len(parts) > 3 {
		s.refuse("build.platforms", "%s is no platform: write it as linux/amd64", all[0])
		return nil
	}
	return []ocispec.Platform{{OS: parts[0], Architecture: parts[1], Variant: strings.Join(parts[2:], "")}}
}

// buildHosts are written as for docker build, sorted.
func buildHosts(hosts types.HostsList) []string {
	out := hosts.AsList(":")
	slices.Sort(out)
	return out
}

// building reports whether the image of a service is built under its name by another one.
func (s *service) building() bool {
	for _, other := range s.Project.Services {
		if other.Build != nil && s.Image != "" && other.Image == s.Image {
			return true
		}
	}
	return false
}

// pullPolicy says what becomes of it.
func (s *service) pullPolicy() {
	switch {
	case s.PullPolicy == "" || s.PullPolicy == types.PullPolicyMissing || s.PullPolicy == types.PullPolicyIfNotPresent:
	case s.PullPolicy == types.PullPolicyBuild && s.Build != nil:
	case s.PullPolicy == types.PullPolicyNever && (s.Build != nil || s.building()):
	case s.Build != nil || s.building():
		s.find(finding.Warned, s.at("pull_policy"), "what is built is not pulled from elsewhere: build has it built each time")
	default:
		s.warn("pull_policy", "nodes pull an image they do not have, and no other: deploy --resolve-image says whether a tag is looked up anew")
	}
}
