package events

import (
	"maps"
	"strconv"

	"github.com/moby/moby/api/types/events"
	"github.com/skep-org/skep/internal/api/render"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Convert is what Docker would tell of one changed row; nothing for rows of its inner life. v is a view in
// which the change has been applied.
func Convert(v store.View, e store.Event) []events.Message {
	switch e.Table {
	case store.Services.ID():
		return service(v, e)
	case store.Rollouts.ID():
		return rollout(v, e)
	case store.NodeSpecs.ID():
		return nodeSpec(v, e)
	case store.NodeStates.ID():
		return nodeState(v, e)
	case store.Secrets.ID():
		old, cur := pair[model.Secret](e)
		return object(e, events.SecretEventType, old, cur, func(s *model.Secret) (model.ID, string) { return s.ID, s.Name })
	case store.Configs.ID():
		old, cur := pair[model.Config](e)
		return object(e, events.ConfigEventType, old, cur, func(s *model.Config) (model.ID, string) { return s.ID, s.Name })
	case store.Networks.ID():
		old, cur := pair[model.Network](e)
		return object(e, events.NetworkEventType, old, cur, func(s *model.Network) (model.ID, string) { return s.ID, s.Name })
	}
	return nil
}

// pair is the row before and after; either may be nil.
func pair[R any](e store.Event) (old, cur *R) {
	old, _ = any(e.Old).(*R)
	cur, _ = any(e.New).(*R)
	return old, cur
}

// object is the event of a row that is one of Docker's objects by itself.
func object[R any](e store.Event, kind events.Type, old, cur *R, name func(*R) (model.ID, string)) []events.Message {
	row, action := cur, events.ActionUpdate
	switch {
	case old == nil:
		action = events.ActionCreate
	case cur == nil:
		row, action = old, events.ActionRemove
	}
	id, label := name(row)
	return []events.Message{message(e, kind, action, id, map[string]string{"name": label})}
}

func message(e store.Event, kind events.Type, action events.Action, id model.ID, attributes map[string]string) events.Message {
	at := e.Old
	if e.New != nil {
		at = e.New
	}
	ns := at.GetMeta().Updated
	return events.Message{Type: kind, Action: action, Actor: events.Actor{ID: id.String(), Attributes: attributes},
		Scope: "swarm", Time: ns / 1e9, TimeNano: ns}
}

func service(v store.View, e store.Event) []events.Message {
	old, cur := pair[model.Service](e)
	out := object(e, events.ServiceEventType, old, cur, func(s *model.Service) (model.ID, string) { return s.ID, s.Name })
	if old != nil && cur != nil {
		maps.Copy(out[0].Actor.Attributes, specChanges(v, old.Revision, cur.Revision))
	}
	return out
}

// specChanges are the attributes by which Docker tells what an update changed.
func specChanges(v store.View, before, after model.ID) map[string]string {
	a, b := store.Revisions.ByID(v, before), store.Revisions.ByID(v, after)
	out := map[string]string{}
	if a == nil || b == nil {
		return out
	}
	from, to := render.Spec(a), render.Spec(b)
	if from.TaskTemplate.ContainerSpec != nil && to.TaskTemplate.ContainerSpec != nil {
		change(out, "image", from.TaskTemplate.ContainerSpec.Image, to.TaskTemplate.ContainerSpec.Image)
	}
	if from.Mode.Replicated != nil && to.Mode.Replicated != nil {
		change(out, "replicas", strconv.FormatUint(render.Replicas(from.Mode), 10), strconv.FormatUint(render.Replicas(to.Mode), 10))
	}
	return out
}

func change(out map[string]string, name, from, to string) {
	if from != to {
		out[name+".old"], out[name+".new"] = from, to
	}
}

// rollout tells of an update's progress as an update of the service.
func rollout(v store.View, e store.Event) []events.Message {
	old, cur := pair[model.Rollout](e)
	if cur == nil || cur.State == model.RolloutNone {
		return nil
	}
	s := store.Services.ByID(v, cur.ServiceID)
	if s == nil || old != nil && old.State == cur.State {
		return nil
	}
	attributes := map[string]string{"name": s.Name, "updatestate.new": string(cur.State.Swarm())}
	if old != nil && old.State != model.RolloutNone {
		attributes["updatestate.old"] = string(old.State.Swarm())
	}
	return []events.Message{message(e, events.ServiceEventType, events.ActionUpdate, s.ID, attributes)}
}

func nodeSpec(v store.View, e store.Event) []events.Message {
	old, cur := pair[model.NodeSpec](e)
	if old == nil && hostname(v, cur.ID) == "" {
		return nil // nobody could tell which node it is; its state will follow with the name
	}
	out := object(e, events.NodeEventType, old, cur, func(n *model.NodeSpec) (model.ID, string) { return n.ID, hostname(v, n.ID) })
	if old != nil && cur != nil {
		from, to := old.Spec.Get(), cur.Spec.Get()
		change(out[0].Actor.Attributes, "availability", string(from.Availability), string(to.Availability))
		change(out[0].Actor.Attributes, "role", string(from.Role), string(to.Role))
	}
	return out
}

func nodeState(v store.View, e store.Event) []events.Message {
	old, cur := pair[model.NodeState](e)
	if cur == nil || old != nil && old.State == cur.State {
		return nil
	}
	attributes := map[string]string{"name": hostname(v, cur.ID)}
	before := model.ReachUnknown
	if old != nil {
		before = old.State
	}
	change(attributes, "state", string(before.Swarm()), string(cur.State.Swarm()))
	return []events.Message{message(e, events.NodeEventType, events.ActionUpdate, cur.ID, attributes)}
}

func hostname(v store.View, id model.ID) string {
	if s := store.NodeStates.ByID(v, id); s != nil {
		return s.Description.Get().Hostname
	}
	return ""
}
