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
	"github.com/skep-org/skep/internal/model"
)

// Start implements [executor.Executor].
func (e *Executor) Start(ctx context.Context, t *executor.Task) (executor.Container, error) {
	what := "starting task " + t.Name()
	c, err := e.find(ctx, t.ID)
	if err != nil {
		return executor.Container{}, failed(what, err)
	}
	switch c.Phase {
	case executor.Running:
		return e.started(ctx, t.ID, c.ID)
	case executor.Exited:
		return c, nil // a task runs once
	}
	if !e.prepared.has(c.ID) { // made before this process began: it may lack a network, or a file after a reboot
		if c, err = e.Prepare(ctx, t); err != nil || c.Phase != executor.Created {
			return c, err
		}
	}
	if err := e.files.fault(t.ID); err != nil { // Docker, too, says so now and not before
		return executor.Container{}, verdict(what, err)
	}
	if onOverlay(t) {
		defer e.starting.begin(t.ID)()
	}
	if err := e.startContainer(ctx, t, c.ID); err != nil {
		e.known.forget(t.ID, c.ID) // how far it came is the engine's to tell
		e.networks.forget()        // one of them may have been removed by hand: the engine notices at the start only
		if cerrdefs.IsNotFound(err) {
			if _, _, gone := e.inspect(ctx, c.ID); cerrdefs.IsNotFound(gone) {
				err = fmt.Errorf("%w: %w", executor.ErrNoContainer, err)
			}
		}
		return executor.Container{}, verdict(what, err)
	}
	if onOverlay(t) {
		if err := e.awaitNetworks(ctx, t); err != nil {
			return executor.Container{}, verdict(what, err)
		}
	}
	return e.started(ctx, t.ID, c.ID)
}

// startContainer starts a container. One that the engine cannot connect because a network is there twice is started when one of
// the two is gone.
func (e *Executor) startContainer(ctx context.Context, t *executor.Task, id string) error {
	_, err := e.api.ContainerStart(ctx, id, client.ContainerStartOptions{})
	if err == nil || !strings.Contains(err.Error(), "matches found on name") {
		return called(err)
	}
	e.networks.forget()
	if err := e.networks.ensure(ctx, t.Networks); err != nil {
		return err
	}
	_, err = e.api.ContainerStart(ctx, id, client.ContainerStartOptions{})
	return called(err)
}

// Stop implements [executor.Executor]. Signal and grace period are in the container's configuration.
func (e *Executor) Stop(ctx context.Context, task model.ID) error {
	what := "stopping task " + task.String()
	c, err := e.find(ctx, task)
	if err != nil {
		return failed(what, err)
	}
	if c.Phase == executor.Exited {
		return nil
	}
	_, err = e.api.ContainerStop(ctx, c.ID, client.ContainerStopOptions{})
	e.known.stopped(task, c.ID)
	if cerrdefs.IsNotFound(err) {
		e.known.forget(task, c.ID)
		return failed(what, executor.ErrNoContainer)
	}
	return failed(what, called(err))
}

// Remove implements [executor.Executor].
func (e *Executor) Remove(ctx context.Context, task model.ID) error {
	what := "removing task " + task.String()
	c, err := e.find(ctx, task)
	switch {
	case errors.Is(err, executor.ErrNoContainer):
		return e.files.remove(task)
	case err != nil:
		return failed(what, err)
	}
	_, err = e.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if cerrdefs.IsConflict(err) { // somebody else is removing it
		err = e.gone(ctx, c.ID)
	}
	if err != nil && !cerrdefs.IsNotFound(err) {
		return failed(what, called(err))
	}
	e.known.forget(task, c.ID)
	e.prepared.drop(c.ID)
	return e.files.remove(task)
}

// gone waits until a container has been removed.
func (e *Executor) gone(ctx context.Context, id string) error {
	wait := e.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	select {
	case <-wait.Result:
		return nil
	case err := <-wait.Error:
		return err
	}
}
