package network

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// promisedReach is how long after a task is known to run it may be until all nodes lead to it.
const promisedReach = 500 * time.Millisecond

// reach replaces a service's only task some times and measures, through every node, when the new one answers first.
func reach(f *fixture) {
	const times = 6
	f.service("reach", "--update-parallelism", "1", "--update-monitor", "1ms", "--publish", "8086:8080", "--stop-grace-period", "1s", "--env", "TASK_NAME={{.Task.ID}}")
	var targets []string
	for _, t := range f.everywhere(8086) {
		if strings.HasPrefix(t, "http") {
			targets = append(targets, t)
		}
	}
	f.reachable(outside(), targets...)
	c := f.start(outside(), append([]string{"load", "-rate", "250", "-connections", "new", "-timeout", "250ms"}, targets...)...)
	began := map[string]time.Time{}
	for range times {
		f.update("reach", "--force")
		f.eventually(settleLimit, func() string { return f.began("reach", began) })
		time.Sleep(within(promisedReach))
	}
	r := c.report()
	var took []time.Duration
	for id, known := range began {
		for _, t := range r.Targets {
			first, ok := t.First[id]
			if !ok {
				f.t.Errorf("%s never led to the task %s", t.URL, id)
				continue
			}
			took = append(took, first.Sub(known))
		}
	}
	slices.Sort(took)
	if len(took) < len(targets) {
		f.t.Fatalf("only %d times were measured", len(took))
	}
	last := took[len(took)-1]
	f.t.Logf("%d times from running to reachable: half up to %v, the longest %v", len(took), took[len(took)/2], last)
	if last > within(promisedReach) {
		f.t.Errorf("a task was reachable through a node %v after it was known to run, promised are %v", last, promisedReach)
	}
}

// began adds when the task of a service that runs was known to: of one that has ended the managers no longer tell.
func (f *fixture) began(service string, at map[string]time.Time) string {
	ctx, cancel := context.WithTimeout(f.t.Context(), settleLimit)
	defer cancel()
	list, err := f.Host("m1").Docker().TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", service)})
	if err != nil {
		return err.Error()
	}
	for _, t := range list.Items {
		if t.Status.State == swarm.TaskStateRunning && t.DesiredState == swarm.TaskStateRunning {
			at[t.ID] = t.Status.Timestamp
			return ""
		}
	}
	return "no task of " + service + " runs"
}
