package events

import (
	"strings"

	"github.com/moby/moby/api/types/events"
	"github.com/skep-org/skep/internal/api/filters"
)

// Match says whether an event of a cluster object passes Docker's filters.
func Match(args filters.Args, m events.Message) bool {
	if !args.Exact("event", string(m.Action)) || !args.Exact("type", string(m.Type)) || !args.Exact("scope", m.Scope) ||
		!args.Labels("label", m.Actor.Attributes) {
		return false
	}
	for _, kind := range []events.Type{events.ServiceEventType, events.NodeEventType, events.NetworkEventType,
		events.SecretEventType, events.ConfigEventType} {
		if len(args[string(kind)]) > 0 && (m.Type != kind || !named(args[string(kind)], m.Actor)) {
			return false
		}
	}
	// Cluster objects are none of these.
	for _, other := range []string{"container", "image", "volume", "plugin", "daemon"} {
		if len(args[other]) > 0 {
			return false
		}
	}
	return true
}

func named(wanted []string, actor events.Actor) bool {
	for _, w := range wanted {
		if strings.HasPrefix(actor.ID, w) || strings.HasPrefix(actor.Attributes["name"], w) {
			return true
		}
	}
	return false
}
