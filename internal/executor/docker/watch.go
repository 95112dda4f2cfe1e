package docker

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
)

// Watch implements [executor.Executor] on the engine's events.
func (e *Executor) Watch(ctx context.Context, ready func(), f func(executor.Container)) error {
	e.forgetFacts() // whatever made the last watch end may have been an upgrade of the engine
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	connected := make(chan struct{})
	streamCtx := context.WithValue(ctx, answeredKey{}, func() { close(connected) })
	filters := e.ours().Add("type", string(events.ContainerEventType)).
		Add("event", "create", "start", "oom", "die", "destroy", "health_status")
	// The engine sends its header a moment before it subscribes. Since closes that gap: what happened in it is replayed.
	stream := e.api.Events(streamCtx, client.EventsListOptions{Since: stamp(e.clock.Now()), Filters: filters})
	for {
		select {
		case <-connected:
			connected = nil
			ready()
		case m := <-stream.Messages:
			if err := e.handle(ctx, m, f); err != nil {
				return failed("watching the engine's events", err)
			}
		case err := <-stream.Err:
			if err == nil {
				err = io.EOF
			}
			return failed("watching the engine's events", called(err))
		}
	}
}

// handle turns an event into the change it tells of. Events come in the engine's order and are handled one by one.
func (e *Executor) handle(ctx context.Context, m events.Message, f func(executor.Container)) error {
	task, ok := taskOf(m.Actor.Attributes)
	if !ok {
		return nil
	}
	var err error
	c := executor.Container{TaskID: task, ID: m.Actor.ID}
	action, detail, _ := strings.Cut(string(m.Action), ": ")
	switch events.Action(action) {
	case events.ActionCreate:
		c.Phase = executor.Created
		e.known.putNew(c)
	case events.ActionStart:
		if c, err = e.started(ctx, task, c.ID); err != nil {
			return ifThere(err)
		}
	case events.ActionOOM:
		e.known.ranOutOfMemory(c.ID)
		return nil
	case events.ActionDie:
		c.Phase, c.OOMKilled = executor.Exited, e.known.ended(c.ID)
		c.ExitCode, _ = strconv.Atoi(m.Actor.Attributes["exitCode"])
		e.known.put(c)
	case events.ActionDestroy:
		c.Phase = executor.Gone
		e.known.forget(task, c.ID)
	case events.ActionHealthStatus:
		if c, err = e.health(ctx, c, detail); err != nil {
			return ifThere(err)
		}
	default:
		return nil
	}
	if c.Phase == executor.Running && e.starting.has(task) {
		return nil // its start tells, once its networks work
	}
	f(c)
	return nil
}

// taskOf reads the task's id from a container's labels; somebody may have written anything there.
func taskOf(labels map[string]string) (model.ID, bool) {
	id, err := model.ParseID(labels[executor.LabelTaskID])
	return id, err == nil && !id.IsZero()
}

// health completes an event that tells no more than "healthy" or "unhealthy".
func (e *Executor) health(ctx context.Context, c executor.Container, detail string) (executor.Container, error) {
	known, ok := e.known.get(c.TaskID)
	if detail != "healthy" || !ok || known.ID != c.ID || known.PID == 0 {
		c, _, err := e.inspect(ctx, c.ID) // the output of the failed check, or all of an unknown container
		return c, err
	}
	known.Health, known.HealthLog = executor.Healthy, ""
	e.known.put(known)
	return known, nil
}

// ifThere drops the error of a container that has gone meanwhile: its destroy event is on the way.
func ifThere(err error) error {
	if cerrdefs.IsNotFound(err) || errors.Is(err, executor.ErrNoContainer) {
		return nil
	}
	return err
}
