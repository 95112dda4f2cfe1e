package differential

import (
	"context"
	"encoding/json"
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
	match := strings.Join(s.args["match"], ",")
	re, err := regexp.Compile(match)
	if err != nil || match == "" {
		return "", fmt.Errorf("%s: until needs match=(a regexp): %v", s.pos, err)
	}
	var last string
	err = poll(ctx, func() (bool, error) {
		out, err := r.side.Shell(ctx, s.input, r.env())
		last = out.Stdout + out.Stderr
		if err != nil || !re.MatchString(last) {
			return false, err
		}
		r.learn(ctx)
		last = r.show(out, s)
		return true, nil
	})
	if err != nil {
		return "", fmt.Errorf("%s: %q never printed %q, at last it printed:\n%s\n%w", s.pos, s.input, match, last, err)
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
			var err error
			tasks, err = r.tasks(ctx, name)
			meant := slices.DeleteFunc(slices.Clone(tasks), func(t task) bool { return t.DesiredState != "running" })
			up := slices.DeleteFunc(slices.Clone(meant), func(t task) bool { return t.Status.State != "running" })
			return len(meant) == want && len(up) == want, err
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

// gone waits until the engine has no container of the services.
func (r *runner) gone(ctx context.Context, s step) (string, error) {
	for _, name := range s.order {
		filter := url.QueryEscape(fmt.Sprintf(`{"label":["com.docker.swarm.service.name=%s"]}`, name))
		err := poll(ctx, func() (bool, error) {
			a, err := r.side.Call(ctx, "GET", "/containers/json?all=1&filters="+filter, nil)
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
