package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/filters"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

func (s *Server) taskList(r *request) error {
	args, err := r.filters("name", "id", "label", "service", "node", "desired-state", "_up-to-date", "up-to-date", "runtime")
	if err != nil {
		return err
	}
	for i, state := range args["desired-state"] {
		args["desired-state"][i] = strings.ToLower(state)
		if !isState(strings.ToLower(state)) {
			return httperr.New(http.StatusInternalServerError, "Invalid desired-state filter: '%s'", state)
		}
	}
	v, _, err := r.view()
	if err != nil {
		return err
	}
	candidates, keep, err := taskFilter(v, args)
	if err != nil {
		return err
	}
	out := []render.TaskOut{}
	for _, t := range candidates {
		if !keep(t) {
			continue
		}
		task := render.Task(v, t)
		if args.Exact("node", task.NodeID) {
			out = append(out, task)
		}
	}
	return r.kind(versions.Task, out)
}

// taskFilter turns names of services and nodes into ids, in args too. It returns the tasks of the services
// asked for, or all, by id, and the test for the rest that needs a task's own row only.
func taskFilter(v store.View, args filters.Args) ([]*model.Task, func(*model.Task) bool, error) {
	var candidates []*model.Task
	seen := map[model.ID]bool{}
	for _, ref := range args["service"] {
		row, err := find.Service(v, ref)
		if err != nil {
			return nil, nil, err
		}
		if !seen[row.ID] {
			candidates = slices.AppendSeq(candidates, store.TasksOf(v, row.ID))
		}
		seen[row.ID] = true
	}
	slices.SortFunc(candidates, func(a, b *model.Task) int { return a.ID.Compare(b.ID) })
	if len(seen) == 0 {
		candidates = slices.Collect(store.Tasks.All(v))
	}
	for i, ref := range args["node"] {
		row, err := find.Node(v, ref)
		if err != nil {
			return nil, nil, err
		}
		args["node"][i] = row.ID.String()
	}
	upToDate, wantUpToDate, err := args.Bool("up-to-date")
	if err != nil {
		return nil, nil, err
	}
	if len(args["_up-to-date"]) > 0 { // the CLI's own, whose value says nothing
		upToDate, wantUpToDate = true, true
	}
	return candidates, func(t *model.Task) bool {
		return args.Prefix("id", t.ID.String()) &&
			args.Prefix("name", find.TaskName(v, t)) &&
			args.Exact("desired-state", string(t.Desired.Swarm())) &&
			args.Exact("runtime", string(swarm.RuntimeContainer)) &&
			args.Labels("label", serviceLabels(v, t)) &&
			(!wantUpToDate || upToDate == isUpToDate(v, t))
	}, nil
}

func serviceLabels(v store.View, t *model.Task) map[string]string {
	if rev := store.Revisions.ByID(v, t.Revision); rev != nil {
		return rev.Spec.Get().Labels
	}
	return nil
}

func isUpToDate(v store.View, t *model.Task) bool {
	row := store.Services.ByID(v, t.ServiceID)
	if row == nil {
		return false
	}
	now, mine := current(v, row), store.Revisions.ByID(v, t.Revision)
	return now != nil && mine != nil && now.Fingerprint == mine.Fingerprint
}

func isState(name string) bool {
	for state := model.StateNew; state <= model.StateOrphaned; state += model.StatePending {
		if string(state.Swarm()) == name {
			return true
		}
	}
	return name == string(swarm.TaskStateAllocated)
}

func (s *Server) taskInspect(r *request) error {
	v, _, err := r.view()
	if err != nil {
		return err
	}
	t, err := find.Task(v, r.id)
	if err != nil {
		return err
	}
	return r.kind(versions.Task, render.Task(v, t))
}
