package roles

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Planner is the roles' [control.Planner]. A key is a node.
type Planner struct{}

// New returns the planner.
func New() *Planner { return &Planner{} }

// Name implements [control.Planner].
func (*Planner) Name() string { return "roles" }

// Writer implements [control.Planner].
func (*Planner) Writer() store.Writer { return store.WriterIdentity }

// Inputs implements [control.Planner].
func (*Planner) Inputs() []control.Input {
	return []control.Input{
		control.On(store.NodeSpecs, func(old, cur *model.NodeSpec) []control.Key {
			return keyOf(old, cur, func(r *model.NodeSpec) model.ID { return r.ID })
		}),
		control.On(store.NodeIdentities, func(old, cur *model.NodeIdentity) []control.Key {
			return keyOf(old, cur, func(r *model.NodeIdentity) model.ID { return r.ID })
		}),
		control.On(store.Members, func(old, cur *model.Member) []control.Key {
			return keyOf(old, cur, func(r *model.Member) model.ID { return r.NodeID })
		}),
		control.On(store.Revocations, func(old, cur *model.Revocation) []control.Key {
			return keyOf(old, cur, func(r *model.Revocation) model.ID { return r.NodeID })
		}),
	}
}

func keyOf[R any](old, cur *R, node func(*R) model.ID) []control.Key {
	if cur == nil {
		cur = old
	}
	return []control.Key{{Key: model.KeyOf(node(cur))}}
}

// All implements [control.Planner].
func (*Planner) All(v store.View) []control.Key {
	var keys []control.Key
	for n := range store.NodeIdentities.All(v) {
		keys = append(keys, control.Key{Key: n.Key()})
	}
	for r := range store.Revocations.All(v) {
		keys = append(keys, control.Key{Key: r.Key()})
	}
	return keys
}

// Plan implements [control.Planner].
func (*Planner) Plan(v store.View, keys []control.Key, now time.Time) (control.Result, error) {
	var res control.Result
	for _, k := range keys {
		if row := store.NodeIdentities.ByID(v, k.A); row != nil {
			planNode(v, row, &res)
		}
		if gone := store.Revocations.ByID(v, k.A); gone != nil {
			planRevocation(gone, k, now, &res)
		}
	}
	return res, nil
}

// planNode grants what is asked. The certificate in the same row is renewed beside the loop, hence the condition.
func planNode(v store.View, row *model.NodeIdentity, res *control.Result) {
	spec, member := store.NodeSpecs.ByID(v, row.ID), store.MemberOf(v, row.ID) != nil
	next := *row
	switch {
	case member:
		return // whether it stays one is the group's matter first
	case spec == nil:
		res.Conditions = append(res.Conditions, store.NodeIdentities.At(row))
		res.Changes = append(res.Changes,
			store.Revocations.Put(&model.Revocation{NodeID: row.ID, Until: row.NotAfter}), store.NodeIdentities.Delete(row.Key()))
		return
	case spec.Spec.Get().Role == swarm.NodeRoleManager:
		next.Role = model.RoleManager
	case spec.Spec.Get().Role == swarm.NodeRoleWorker:
		next.Role = model.RoleWorker
	}
	if next.Role != row.Role {
		res.Conditions = append(res.Conditions, store.NodeIdentities.At(row))
		res.Changes = append(res.Changes, store.NodeIdentities.Put(&next))
	}
}

// planRevocation forgets a node when no clock in the cluster takes its certificate for valid any more.
func planRevocation(r *model.Revocation, k control.Key, now time.Time, res *control.Result) {
	if until := time.Unix(0, r.Until).Add(clockSlack); now.Before(until) {
		res.Wakes(k, until)
		return
	}
	res.Changes = append(res.Changes, store.Revocations.Delete(r.Key()))
}

// clockSlack is more than the clocks of a cluster's managers are apart.
const clockSlack = time.Hour
