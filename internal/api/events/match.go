package events

import (
	"slices"

	"github.com/moby/moby/api/types/events"
	"github.com/skep-org/skep/internal/api/filters"
)

// Match says whether an event of a cluster object passes Docker's filters. A filter that names an object looks at ids and
// names of objects of any kind: service=web lets the events of a network named web-net through, too.
func Match(args filters.Args, m events.Message) bool {
	if !action(args, string(m.Action)) || !args.Exact("type", string(m.Type)) || !args.Exact("scope", m.Scope) ||
		!args.Labels("label", m.Actor.Attributes) {
		return false
	}
	for _, kind := range []string{"service", "node", "network", "secret", "config", "container", "volume", "plugin", "daemon"} {
		if !args.Prefix(kind, m.Actor.ID) && !args.Prefix(kind, m.Actor.Attributes["name"]) {
			return false
		}
	}
	return args.Exact("image", m.Actor.ID)
}

// action looks for an event by its name, or by its beginning as soon as one is asked for whose name goes on after a colon.
func action(args filters.Args, name string) bool {
	for _, open := range []string{"health_status", "exec_create", "exec_start"} {
		if slices.Contains(args["event"], open) {
			return args.Prefix("event", name)
		}
	}
	return args.Exact("event", name)
}
