package stackcmd

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/cli/local"
)

// removeImages removes from the registry what was built of the stack's services before and that nothing needs any more: no
// service of the cluster, neither now nor when it is rolled back, and no revision that is kept. The stack is deployed by then:
// what goes wrong here is said and no more.
func (d *deployment) removeImages(ctx context.Context, name string) {
	if !slices.ContainsFunc(d.builds, func(b *built) bool { return b.fresh }) {
		return
	}
	if err := d.removeUnused(ctx); err != nil {
		warn(d.cmd, fmt.Sprintf("warned: images built earlier for stack %s stay in the cluster's registry: %s", name, err))
	}
}

func (d *deployment) removeUnused(ctx context.Context) error {
	daemon := local.Over(d.host, d.client.Dialer())
	var there api.ImageList
	if err := daemon.Ask(ctx, http.MethodGet, "/skep/images", &there, "the cluster's registry"); err != nil {
		return err
	}
	services, err := d.client.ServiceList(ctx, client.ServiceListOptions{})
	if err != nil {
		return err
	}
	used := d.imagesUsed(services.Items)
	for _, image := range there.Images {
		full := there.Registry + "/" + image.Repository + ":" + image.Tag
		if used[full] || !d.ours(full) {
			continue
		}
		say(d.cmd, "Removing image %s", full)
		if err := daemon.Ask(ctx, http.MethodPost, "/skep/images/remove?name="+url.QueryEscape(image.Repository+":"+image.Tag), nil, "the cluster's registry"); err != nil {
			return err
		}
	}
	return nil
}

// ours reports whether an image is called as those that are built now, but for what it was built of.
func (d *deployment) ours(image string) bool {
	return slices.ContainsFunc(d.builds, func(b *built) bool {
		end := strings.LastIndex(b.name, ":")
		return strings.HasPrefix(image, b.name[:end+1]) && regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(image[end+1:])
	})
}

// imagesUsed are those that are to stay, without digests.
func (d *deployment) imagesUsed(services []swarm.Service) map[string]bool {
	used := map[string]bool{}
	use := func(spec *swarm.ServiceSpec) {
		if spec != nil && spec.TaskTemplate.ContainerSpec != nil {
			name, _, _ := strings.Cut(spec.TaskTemplate.ContainerSpec.Image, "@")
			used[name] = true
		}
	}
	for i := range services {
		use(&services[i].Spec)
		use(services[i].PreviousSpec)
	}
	for _, r := range d.revisions[max(0, len(d.revisions)-d.keep):] {
		for i := range r.Stack.Services {
			use(&r.Stack.Services[i])
		}
	}
	for _, b := range d.builds {
		used[b.name] = true
	}
	return used
}
