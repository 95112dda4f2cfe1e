package events

import (
	"maps"
	"slices"
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
	case store.NodeIdentities.ID():
		return nodeRole(v, e)
	case store.Allocations.ID():
		return allocated(v, e)
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
	if old != nil && cur != nil && cur.Rollback && cur.Revision != old.Revision {
		return nil // its rollout tells of it, with the state of the update that it ends
	}
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

// rollout tells of an update's progress as an update of the service. A new update begins without the state of the one
// before, as in Docker, and a rollback that was asked for says what it changes.
func rollout(v store.View, e store.Event) []events.Message {
	old, cur := pair[model.Rollout](e)
	if cur == nil || cur.State == model.RolloutNone {
		return nil
	}
	s := store.Services.ByID(v, cur.ServiceID)
	anew := old != nil && old.AskedIndex != cur.AskedIndex
	if s == nil || old != nil && old.State == cur.State && !anew {
		return nil
	}
	attributes := map[string]string{"name": s.Name, "updatestate.new": string(cur.State.Swarm())}
	if old != nil && old.State != model.RolloutNone && cur.State != model.RolloutUpdating {
		attributes["updatestate.old"] = string(old.State.Swarm())
	}
	if anew && s.Rollback {
		maps.Copy(attributes, specChanges(v, old.Asked, cur.Asked))
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
	}
	return out
}

// nodeRole tells that a node was granted another role; that one was asked for is an update of its spec.
func nodeRole(v store.View, e store.Event) []events.Message {
	old, cur := pair[model.NodeIdentity](e)
	if old == nil || cur == nil || old.Role == cur.Role {
		return nil
	}
	attributes := map[string]string{"name": hostname(v, cur.ID)}
	change(attributes, "role", string(old.Role.Swarm()), string(cur.Role.Swarm()))
	return []events.Message{message(e, events.NodeEventType, events.ActionUpdate, cur.ID, attributes)}
}

// allocated tells of a network that has its subnet, and of a service that has its addresses and ports, as an update.
func allocated(v store.View, e store.Event) []events.Message {
	old, cur := pair[model.Allocation](e)
	if cur == nil || !cur.Done || old != nil && old.Done && slices.Equal(old.Networks, cur.Networks) && slices.Equal(old.Ports, cur.Ports) {
		return nil
	}
	switch cur.Kind {
	case model.AllocNetwork:
		if n := store.Networks.ByID(v, cur.Owner); n != nil {
			return []events.Message{message(e, events.NetworkEventType, events.ActionUpdate, n.ID, map[string]string{"name": n.Name})}
		}
	case model.AllocService:
		s := store.Services.ByID(v, cur.Owner)
		if s != nil && (len(cur.Networks) > 0 || len(cur.Ports) > 0 || old != nil && old.Done) {
			return []events.Message{message(e, events.ServiceEventType, events.ActionUpdate, s.ID, map[string]string{"name": s.Name})}
		}
	}
	return nil
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

// hostname is what a node is called: as the user named it, else as its host is.
func hostname(v store.View, id model.ID) string {
	if s := store.NodeSpecs.ByID(v, id); s != nil && s.Spec.Get().Name != "" {
		return s.Spec.Get().Name
	}
	if s := store.NodeStates.ByID(v, id); s != nil {
		return s.Description.Get().Hostname
	}
	return ""
}
