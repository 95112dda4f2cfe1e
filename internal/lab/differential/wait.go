package differential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// every is how often a wait looks. It decides how long a scenario takes, not
// what it finds.
const every = 40 * time.Millisecond

// until repeats a line until its raw output matches, and shows the last output.
func (r *runner) until(ctx context.Context, s step) (string, error) {
	line, match, ok := strings.Cut(strings.TrimSpace(s.input), "\nmatch: ")
	re, err := regexp.Compile(match)
	if err != nil || !ok {
		return "", fmt.Errorf("%s: until needs a shell line and then \"match: a regexp\": %w", s.pos, errors.Join(err))
	}
	var last string
	err = poll(ctx, func() (bool, error) {
		out, err := r.side.Shell(ctx, line, r.env())
		if err != nil {
			return false, err
		}
		last = out.Stdout + out.Stderr
		if !re.MatchString(last) {
			return false, nil
		}
		r.learn(ctx)
		last = r.show(out, s)
		return true, nil
	})
	if err != nil {
		return "", fmt.Errorf("%s: %q never printed %q, at last it printed:\n%s\n%w", s.pos, line, match, last, err)
	}
	return last, nil
}

// task is what the waits read of a task.
type task struct {
	Slot         int
	DesiredState string
	Status       struct{ State, Message, Err string }
}

// running waits until as many tasks of each service run as it says, and no
// others are meant to.
func (r *runner) running(ctx context.Context, s step) (string, error) {
	for _, name := range s.order {
		want, err := strconv.Atoi(strings.Join(s.args[name], ""))
		if err != nil {
			return "", fmt.Errorf("%s: running needs NAME=number, not %s=%s", s.pos, name, s.args[name])
		}
		var tasks []task
		err = poll(ctx, func() (bool, error) {
			now, err := r.tasks(ctx, name)
			if err != nil {
				return false, err
			}
			tasks = now
			meant := slices.DeleteFunc(slices.Clone(tasks), func(t task) bool { return t.DesiredState != "running" })
			up := slices.DeleteFunc(slices.Clone(meant), func(t task) bool { return t.Status.State != "running" })
			return len(meant) == want && len(up) == want, nil
		})
		if err != nil {
			return "", fmt.Errorf("%s: %s never had %d running tasks, at last: %+v: %w", s.pos, name, want, tasks, err)
		}
	}
	return "", nil
}

func (r *runner) tasks(ctx context.Context, service string) ([]task, error) {
	filter := url.QueryEscape(fmt.Sprintf(`{"service":[%q]}`, service))
	a, err := r.side.Call(ctx, "GET", "/tasks?filters="+filter, nil)
	if err != nil || a.Status != 200 {
		return nil, err
	}
	var tasks []task
	if err := json.Unmarshal(a.Body, &tasks); err != nil {
		return nil, fmt.Errorf("reading the tasks of %s: %w", service, err)
	}
	return tasks, nil
}

// gone waits until the engine has no container of the services; with running
// only until none runs, for ended tasks that are kept as history keep theirs.
func (r *runner) gone(ctx context.Context, s step, path string) (string, error) {
	for _, name := range s.order {
		filter := url.QueryEscape(fmt.Sprintf(`{"label":["com.docker.swarm.service.name=%s"]}`, name))
		err := poll(ctx, func() (bool, error) {
			a, err := r.side.Call(ctx, "GET", path+filter, nil)
			return err == nil && strings.TrimSpace(string(a.Body)) == "[]", err
		})
		if err != nil {
			return "", fmt.Errorf("%s: containers of %s are left: %w", s.pos, name, err)
		}
	}
	return "", nil
}

// poll looks until look says yes, fails or the time is over.
func poll(ctx context.Context, look func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, err := look()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
