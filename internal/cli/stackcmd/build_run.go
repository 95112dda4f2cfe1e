package stackcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/cli/dockerconfig"
	"github.com/skep-org/skep/internal/cli/messages"
)

// buildAll builds and pushes what is not there, or is to be built each time. The cluster is as it was until all of it is done.
func (d *deployment) buildAll(ctx context.Context) error {
	for _, b := range d.builds {
		if !b.wanted(d.always) {
			continue
		}
		if err := d.build(ctx, b); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
		for _, name := range []string{b.name, b.also} {
			if name == "" {
				continue
			}
			if err := d.push(ctx, name); err != nil {
				return fmt.Errorf("nothing was changed: the image of service %s was not pushed to %s: %w", b.Service, name, err)
			}
		}
		images, err := d.resolve(ctx, []string{b.name})
		if err != nil {
			return err
		}
		if b.image = images[b.name]; b.image.Err != "" {
			return fmt.Errorf("nothing was changed: the image %s was pushed, and the registry does not tell its digest: %s", b.name, b.image.Err)
		}
		b.there, b.fresh = true, true
	}
	return nil
}

// build has the engine build one image.
func (d *deployment) build(ctx context.Context, b *built) error {
	say(d.cmd, "Building the image of service %s from %s", b.Service, b.from())
	o := b.Options
	o.Tags = slices.DeleteFunc(slices.Concat([]string{b.name, cmp.Or(b.also, b.Image)}, o.Tags), func(s string) bool { return s == "" })
	o.Remove, o.ForceRemove = true, true
	var err error
	if o.AuthConfigs, err = d.buildAuth(ctx); err != nil {
		return err
	}
	if b.source == nil {
		o.RemoteContext, o.Dockerfile = b.Context, b.Dockerfile
		return d.follow(ctx, b, nil, o)
	}
	o.Dockerfile = b.source.Dockerfile()
	return d.send(ctx, b, o)
}

// buildAuth is what the engine may begin with images of other registries by.
func (d *deployment) buildAuth(ctx context.Context) (map[string]registry.AuthConfig, error) {
	if !d.registryAuth {
		return nil, nil
	}
	dir, err := dockerconfig.Dir()
	if err != nil {
		return nil, err
	}
	all, err := dockerconfig.All(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("the credentials for images to begin with cannot be read, as --with-registry-auth asks: %w", err)
	}
	return all, nil
}

// errChanged is of a directory that is not what was looked at any more.
var errChanged = errors.New("its context has changed while it was read: deploy again")

// send builds of a directory. What was sent has to be what was looked at, as the image's name says so.
func (d *deployment) send(ctx context.Context, b *built, o client.ImageBuildOptions) error {
	read, write := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		digest, err := b.source.Tar(write)
		if err == nil && digest != b.digest {
			err = errChanged
		}
		_ = write.CloseWithError(err)
		sent <- err
	}()
	err := d.follow(ctx, b, read, o)
	_ = read.CloseWithError(io.ErrClosedPipe) // where the engine has stopped to read
	if failed := <-sent; failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
		return fmt.Errorf("the image of service %s was not built: %w", b.Service, failed)
	}
	return err
}

// showLines is how much of a build's output an error repeats.
const showLines = 10

// follow shows what the engine says of a build.
func (d *deployment) follow(ctx context.Context, b *built, body io.Reader, o client.ImageBuildOptions) error {
	var last []string
	colours := strings.NewReplacer("\x1b[91m", "", "\x1b[0m", "") // around what a command writes as errors
	answer, err := d.client.ImageBuild(ctx, body, o)
	if err == nil {
		defer answer.Body.Close()
		err = messages.Follow(answer.Body, func(m messages.Message) {
			for line := range strings.Lines(m.Stream) {
				if line = strings.TrimSpace(colours.Replace(line)); line == "" {
					continue
				}
				say(d.cmd, "    %s", line)
				last = append(last, line)
				last = last[max(0, len(last)-showLines):]
			}
		})
	}
	if err == nil {
		return nil
	}
	text := fmt.Sprintf("the image of service %s was not built: %s", b.Service, strings.TrimSpace(err.Error()))
	if len(last) > 0 {
		text += "; the last it printed:\n  " + strings.Join(last, "\n  ")
	}
	return errors.New(text)
}

// push brings an image to the cluster's registry.
func (d *deployment) push(ctx context.Context, name string) error {
	say(d.cmd, "Pushing %s", name)
	answer, err := d.client.ImagePush(ctx, name, client.ImagePushOptions{})
	if err != nil {
		return err
	}
	defer answer.Close()
	return messages.Follow(answer, func(m messages.Message) {
		if text := m.Pushed(); text != "" {
			say(d.cmd, "    %s", text)
		}
	})
}
