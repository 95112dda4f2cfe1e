package api

import (
	"net/http"
	"strings"

	"github.com/moby/moby/api/types/swarm"
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
	candidates, keep, err := tasksAsked(v, args)
	if err != nil {
		return err
	}
	tasks := render.NewTasks(v)
	return list(r, versions.Task, func(yield func(render.TaskOut) bool) {
		for t := range candidates {
			if keep(t) && !yield(tasks.Task(t)) {
				return
			}
		}
	})
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
	return r.kind(versions.Task, render.NewTasks(v).Task(t))
}
