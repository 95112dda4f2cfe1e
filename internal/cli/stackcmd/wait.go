package stackcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/stack/converge"
)

// lookEvery is how often the cluster is asked. Nobody waits for a service more exactly than that.
const lookEvery = 500 * time.Millisecond

// wait looks at a stack's services until all are there or one has failed, and shows each step once.
func (d *deployment) wait(ctx context.Context, name string, changed map[string]bool) error {
	deadline := d.clock.Now().Add(d.timeout)
	w := watch{since: map[string]time.Time{}, said: map[string]string{}}
	for {
		services, err := d.look(ctx, name, changed)
		if err != nil {
			return err
		}
		waiting, failed := w.step(services, d.clock.Now(), func(text string) { say(d.cmd, "%s", text) })
		switch {
		case len(failed) > 0:
			return explainServices("stack "+name+" did not become what it should be", failed)
		case len(waiting) == 0:
			say(d.cmd, "Stack %s is what %s: %s", name, cmp.Or(d.source, "the files say"), count(len(services), "service"))
			return nil
		case !d.clock.Now().Before(deadline):
			return explainServices(fmt.Sprintf("stack %s is not there after %s", name, d.timeout), waiting)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not waiting any more, the cluster goes on with it: %w", ctx.Err())
		case <-d.clock.After(lookEvery):
		}
	}
}

// look reads the services and their tasks.
func (d *deployment) look(ctx context.Context, name string, changed map[string]bool) ([]converge.Service, error) {
	services, err := d.client.ServiceList(ctx, client.ServiceListOptions{Filters: ofStack(name), Status: true})
	if err != nil {
		return nil, fmt.Errorf("what became of stack %s is not known: %w", name, err)
	}
	tasks, err := d.client.TaskList(ctx, client.TaskListOptions{Filters: ofStack(name)})
	if err != nil {
		return nil, fmt.Errorf("what became of stack %s is not known: %w", name, err)
	}
	of := map[string][]swarm.Task{}
	for _, t := range tasks.Items {
		of[t.ServiceID] = append(of[t.ServiceID], t)
	}
	var out []converge.Service
	for _, s := range services.Items {
		out = append(out, converge.Service{Service: s, Tasks: of[s.ID], Changed: changed[s.ID]})
	}
	slices.SortFunc(out, func(a, b converge.Service) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	return out, nil
}

// watch remembers since when a service is there, and what was said of it.
type watch struct {
	since map[string]time.Time
	said  map[string]string
}

// step sorts out the services that are not there yet, or not for long enough, and those that have failed.
func (w *watch) step(services []converge.Service, now time.Time, say func(string)) (waiting, failed []converge.Service) {
	for _, s := range services {
		state, text := converge.Look(s)
		if text != w.said[s.ID] {
			w.said[s.ID] = text
			say(s.Spec.Name + ": " + text)
		}
		if state != converge.There {
			delete(w.since, s.ID)
		}
		switch state {
		case converge.Failed:
			failed = append(failed, s)
		case converge.Waiting:
			waiting = append(waiting, s)
		case converge.There:
			if _, known := w.since[s.ID]; !known {
				w.since[s.ID] = now
			}
			if now.Sub(w.since[s.ID]) < s.Monitor() {
				waiting = append(waiting, s)
			}
		}
	}
	return waiting, failed
}

// explainServices is what is wrong with services, in their tasks' own words.
func explainServices(what string, services []converge.Service) error {
	var b strings.Builder
	b.WriteString(what)
	for _, s := range services {
		_, text := converge.Look(s)
		fmt.Fprintf(&b, "\n  %s: %s", s.Spec.Name, text)
		for _, e := range converge.Errors(s) {
			b.WriteString("\n    " + e)
		}
	}
	return errors.New(b.String())
}
