package api

import (
	"context"
	"net/http"
	"time"

	"github.com/distribution/reference"
)

// pinLimit bounds how long a registry that does not answer delays a service.
const pinLimit = 10 * time.Second

// pin asks the registry, through the engine, which digest an image has. A warning, in Docker's words, says
// when it cannot be found out: each node then pulls what it finds under the name.
func (s *Server) pin(r *request, image, auth string) (pinned, warning string) {
	failed := func(err error) (string, string) {
		r.server.Logger.Debug("an image's digest is not known", "image", image, "error", err)
		return "", "image " + image + " could not be accessed on a registry to record\nits digest. Each node will access " + image + " independently,\n" +
			"possibly leading to different nodes running different\nversions of the image.\n"
	}
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return failed(err)
	}
	if _, already := named.(reference.Canonical); already {
		return "", ""
	}
	tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged)
	if !ok {
		return "", ""
	}
	ctx, cancel := context.WithTimeout(r.Context(), pinLimit)
	defer cancel()
	var answer struct{ Descriptor struct{ Digest string } }
	header := http.Header{}
	if own := s.registryAuth(image); own != "" {
		auth = own
	}
	if auth != "" {
		header.Set(registryAuth, auth)
	}
	if err := s.askEngine(ctx, "/distribution/"+reference.FamiliarString(tagged)+"/json", header, &answer); err != nil {
		return failed(err)
	}
	if answer.Descriptor.Digest == "" {
		return "", ""
	}
	return reference.FamiliarString(tagged) + "@" + answer.Descriptor.Digest, ""
}
