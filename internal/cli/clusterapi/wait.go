package clusterapi

import (
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

// LookEvery is how often the cluster is asked. Nobody waits for a service more exactly than that.
const LookEvery = 500 * time.Millisecond

// Wait is a look at services until they are what was asked for.
type Wait struct {
	What    string                 // "stack web", for errors
	Filters client.Filters         // which services and tasks are asked for
	Only    func(name string) bool // which of them are waited for; nil: all
	Changed map[string]bool        // the ids of those that were written
	Timeout time.Duration
	Clock   Clock
	Say     func(text string)
}

// Until looks at the services until all are there or one has failed, shows each step once, and returns how many there are.
func (w Wait) Until(ctx context.Context, c *client.Client) (int, error) {
	deadline := w.Clock.Now().Add(w.Timeout)
	seen := watch{since: map[string]time.Time{}, said: map[string]string{}}
	for {
		services, err := w.look(ctx, c)
		if err != nil {
			return 0, err
		}
		waiting, failed := seen.step(services, w.Clock.Now(), w.Say)
		switch {
		case len(failed) > 0:
			return 0, explainServices(w.What+" did not become what it should be", failed)
		case len(waiting) == 0:
			return len(services), nil
		case !w.Clock.Now().Before(deadline):
			return 0, explainServices(fmt.Sprintf("%s is not there after %s", w.What, w.Timeout), waiting)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("not waiting any more, the cluster goes on with it: %w", ctx.Err())
		case <-w.Clock.After(LookEvery):
		}
	}
}

// look reads the services and their tasks.
func (w Wait) look(ctx context.Context, c *client.Client) ([]converge.Service, error) {
	services, err := c.ServiceList(ctx, client.ServiceListOptions{Filters: w.Filters, Status: true})
	if err != nil {
		return nil, fmt.Errorf("what became of %s is not known: %w", w.What, err)
	}
	tasks, err := c.TaskList(ctx, client.TaskListOptions{Filters: w.Filters})
	if err != nil {
		return nil, fmt.Errorf("what became of %s is not known: %w", w.What, err)
	}
	of := map[string][]swarm.Task{}
	for _, t := range tasks.Items {
		of[t.ServiceID] = append(of[t.ServiceID], t)
	}
	var out []converge.Service
	for _, s := range services.Items {
		if w.Only == nil || w.Only(s.Spec.Name) {
			out = append(out, converge.Service{Service: s, Tasks: of[s.ID], Changed: w.Changed[s.ID]})
		}
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
