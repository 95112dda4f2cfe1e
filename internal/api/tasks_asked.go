package api

import (
	"iter"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/filters"
	"github.com/skep-org/skep/internal/api/find"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// tasksAsked yields tasks that may match, by id, as few as an index tells, and says which of them do. Names of services and
// nodes that do not exist are errors.
func tasksAsked(v store.View, args filters.Args) (iter.Seq[*model.Task], func(*model.Task) bool, error) {
	services, nodes := map[model.ID]bool{}, map[model.ID]bool{}
	for _, ref := range args["service"] {
		row, err := find.Service(v, ref)
		if err != nil {
			return nil, nil, err
		}
		services[row.ID] = true
	}
	for _, ref := range args["node"] {
		row, err := find.Node(v, ref)
		if err != nil {
			return nil, nil, err
		}
		nodes[row.ID] = true
	}
	upToDate, wantUpToDate, err := args.Bool("up-to-date")
	if err != nil {
		return nil, nil, err
	}
	if len(args["_up-to-date"]) > 0 { // the CLI's own, whose value says nothing
		upToDate, wantUpToDate = true, true
	}
	labels := labelled{v: v, args: args, revisions: map[model.ID]bool{}}
	var candidates iter.Seq[*model.Task]
	switch {
	case len(args["id"]) > 0:
		candidates = find.Prefixed(v, store.Tasks, args["id"])
	case len(nodes) > 0:
		candidates = sorted(nodes, func(node model.ID) iter.Seq[*model.Task] { return tasksOn(v, node) })
	case len(services) > 0:
		candidates = sorted(services, func(service model.ID) iter.Seq[*model.Task] { return store.TasksOf(v, service) })
	case len(args["label"]) > 0:
		candidates = sorted(labels.services(), func(service model.ID) iter.Seq[*model.Task] { return store.TasksOf(v, service) })
	default:
		candidates = store.Tasks.All(v)
	}
	return candidates, func(t *model.Task) bool {
		return (len(services) == 0 || services[t.ServiceID]) &&
			args.Exact("desired-state", string(t.Desired.Swarm())) &&
			args.Exact("runtime", string(swarm.RuntimeContainer)) &&
			(len(nodes) == 0 || nodes[find.TaskNode(v, t)]) &&
			(len(args["label"]) == 0 || labels.has(t.Revision)) &&
			(len(args["name"]) == 0 || args.Prefix("name", find.TaskName(v, t))) &&
			(!wantUpToDate || upToDate == isUpToDate(v, t))
	}, nil
}

// sorted yields the tasks of several, by id, each once. What is kept for it is small: rows are shared with the store.
func sorted(of map[model.ID]bool, tasks func(model.ID) iter.Seq[*model.Task]) iter.Seq[*model.Task] {
	var rows []*model.Task
	for id := range of {
		rows = slices.AppendSeq(rows, tasks(id))
	}
	slices.SortFunc(rows, func(a, b *model.Task) int { return a.ID.Compare(b.ID) })
	return slices.Values(slices.Compact(rows))
}

// tasksOn yields the tasks that are placed on a node, and those meant for it, which may be the same.
func tasksOn(v store.View, node model.ID) iter.Seq[*model.Task] {
	return func(yield func(*model.Task) bool) {
		for p := range store.PlacedOn(v, node) {
			if t := store.Tasks.ByID(v, p.TaskID); t != nil && !yield(t) {
				return
			}
		}
		for t := range store.TasksFor(v, node) {
			if !yield(t) {
				return
			}
		}
	}
}

// labelled knows which revisions have the labels asked for.
type labelled struct {
	v         store.View
	args      filters.Args
	revisions map[model.ID]bool
}

// services are those of which a revision has the labels.
func (l *labelled) services() map[model.ID]bool {
	out := map[model.ID]bool{}
	for rev := range store.Revisions.All(l.v) {
		if l.args.Labels("label", rev.Spec.Get().Labels) {
			out[rev.ServiceID] = true
		}
	}
	return out
}

func (l *labelled) has(revision model.ID) bool {
	has, known := l.revisions[revision]
	if !known {
		var labels map[string]string
		if rev := store.Revisions.ByID(l.v, revision); rev != nil {
			labels = rev.Spec.Get().Labels
		}
		has = l.args.Labels("label", labels)
		l.revisions[revision] = has
	}
	return has
}
