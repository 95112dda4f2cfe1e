package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/executor/docker/translate"
)

// Prepare implements [executor.Executor].
func (e *Executor) Prepare(ctx context.Context, t *executor.Task) (executor.Container, error) {
	c, err := e.prepare(ctx, t)
	if err != nil {
		return executor.Container{}, verdict("preparing task "+t.Name(), err)
	}
	return c, nil
}

func (e *Executor) prepare(ctx context.Context, t *executor.Task) (executor.Container, error) {
	if known, ok := e.known.get(t.ID); ok {
		c, raw, err := e.inspect(ctx, known.ID)
		if err == nil {
			return e.adopt(ctx, t, c, raw)
		}
		if !cerrdefs.IsNotFound(err) {
			return c, err
		}
		e.known.forget(t.ID, known.ID)
	}
	facts, err := e.engine(ctx)
	if err != nil {
		return executor.Container{}, err
	}
	if err := translate.Supported(facts.api, t.Spec); err != nil {
		return executor.Container{}, err
	}
	if err := e.networks.ensure(ctx, t.Networks); err != nil {
		return executor.Container{}, err
	}
	c, err := e.create(ctx, t, facts)
	if err != nil && !errors.Is(err, executor.ErrUnavailable) {
		if removeErr := e.files.remove(t.ID); removeErr != nil {
			err = fmt.Errorf("%w; and %w", err, removeErr)
		}
	}
	return c, err
}

// create writes the task's files and makes its container.
func (e *Executor) create(ctx context.Context, t *executor.Task, facts *facts) (executor.Container, error) {
	out, err := e.translate(t, facts)
	if err != nil {
		return executor.Container{}, err
	}
	return e.createFrom(ctx, t, out)
}

// translate writes the task's files and says what to create.
func (e *Executor) translate(t *executor.Task, facts *facts) (translate.Output, error) {
	files, err := e.files.write(t, facts)
	if err != nil {
		return translate.Output{}, err
	}
	return translate.Container(translate.Input{
		Task: t, Platform: facts.platform, API: facts.api, Files: files, SELinux: facts.selinux, Source: e.source,
	})
}

// createFrom pulls the image and creates the container. What was remembered, of a pull or of a network, may be out of
// date; then the second try asks anew.
func (e *Executor) createFrom(ctx context.Context, t *executor.Task, out translate.Output) (executor.Container, error) {
	image := out.Create.Config.Image
	for again := true; ; again = false {
		fresh, pullErr := e.pulls.ensure(ctx, image, t.RegistryAuth)
		if errors.Is(pullErr, executor.ErrUnavailable) {
			return executor.Container{}, pullErr
		}
		created, err := e.api.ContainerCreate(ctx, out.Create)
		switch {
		case err == nil:
			return e.connect(ctx, t, created.ID, out.Connect)
		case cerrdefs.IsConflict(err):
			return e.taken(ctx, t, err)
		case cerrdefs.IsNotFound(err) && strings.Contains(err.Error(), "No such image"):
			e.pulls.absent(image, t.RegistryAuth)
			if fresh || pullErr != nil || !again {
				return executor.Container{}, missing(image, pullErr)
			}
		case cerrdefs.IsNotFound(err) && again && len(t.Networks) > 0:
			e.networks.forget()
			if err := e.networks.ensure(ctx, t.Networks); err != nil {
				return executor.Container{}, err
			}
		default:
			return executor.Container{}, called(err)
		}
	}
}

// connect attaches a new container to the networks its creation could not.
func (e *Executor) connect(ctx context.Context, t *executor.Task, id string, to []translate.Endpoint) (executor.Container, error) {
	for _, n := range to {
		options := client.NetworkConnectOptions{Container: id, EndpointConfig: n.Settings}
		if _, err := e.api.NetworkConnect(ctx, n.Network, options); err != nil {
			return executor.Container{}, failed("connecting its container to network "+n.Network, called(err))
		}
	}
	c := executor.Container{TaskID: t.ID, ID: id, Phase: executor.Created}
	e.known.putNew(c)
	e.prepared.add(id)
	return c, nil
}

// taken is for a name that a container has already: the task's own, made before this process began, is the one wanted.
func (e *Executor) taken(ctx context.Context, t *executor.Task, conflict error) (executor.Container, error) {
	found, err := e.find(ctx, t.ID)
	if err != nil {
		return executor.Container{}, fmt.Errorf("%w (%w)", called(conflict), err)
	}
	c, raw, err := e.inspect(ctx, found.ID)
	if err != nil {
		return executor.Container{}, err
	}
	return e.adopt(ctx, t, c, raw)
}

// adopt completes a container that was created earlier: the process that did may have been ended in between, the node
// restarted, its engine replaced by one that takes all networks at creation. One that has been started is left alone.
func (e *Executor) adopt(ctx context.Context, t *executor.Task, c executor.Container, raw container.InspectResponse) (executor.Container, error) {
	if c.Phase != executor.Created || e.prepared.has(c.ID) {
		return c, nil
	}
	facts, err := e.engine(ctx)
	if err != nil {
		return executor.Container{}, err
	}
	if err := e.networks.ensure(ctx, t.Networks); err != nil {
		return executor.Container{}, err
	}
	out, err := e.translate(t, facts)
	if err != nil {
		return executor.Container{}, err
	}
	var missing []translate.Endpoint
	for _, n := range out.Endpoints() {
		if raw.NetworkSettings == nil || raw.NetworkSettings.Networks[n.Network] == nil {
			missing = append(missing, n)
		}
	}
	return e.connect(ctx, t, c.ID, missing)
}
