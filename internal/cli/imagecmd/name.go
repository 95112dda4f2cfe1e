package imagecmd

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/distribution/reference"
	"github.com/spf13/cobra"

	"github.com/skep-org/skep/internal/cli/local"
)

// nameThere is what an image is called in the cluster's registry: as asked, or else as here, without another registry's name.
func nameThere(registry string, args []string) (repository, tag string, err error) {
	name := args[len(args)-1]
	if len(args) == 1 && strings.HasPrefix(name, "sha256:") {
		return "", "", fmt.Errorf("%s has no name: say what it is to be called, as in skep image push %s app:1", name, name)
	}
	named, err := reference.ParseNormalizedNamed(strings.TrimPrefix(name, registry+"/"))
	if err != nil {
		return "", "", fmt.Errorf("%q is no name for an image: %w", name, err)
	}
	if _, pinned := named.(reference.Canonical); pinned {
		return "", "", fmt.Errorf("%q names a digest: an image is pushed under a tag", name)
	}
	tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged)
	if !ok {
		return "", "", fmt.Errorf("%q is no name for an image", name)
	}
	// Docker's own images are library/NAME to Docker Hub only.
	return strings.TrimPrefix(reference.Path(named), "library/"), tagged.Tag(), nil
}

// tagLocal gives the engine's image the name it is pushed under.
func tagLocal(cmd *cobra.Command, d *local.Daemon, image, repository, tag string) error {
	path := "/images/" + url.PathEscape(image) + "/tag?repo=" + url.QueryEscape(repository) + "&tag=" + url.QueryEscape(tag)
	body, err := d.Call(cmd.Context(), http.MethodPost, path, nil, "skep image")
	if err != nil {
		return err
	}
	return body.Close()
}
