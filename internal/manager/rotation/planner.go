package rotation

import (
	"bytes"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// atOnce bounds the nodes that are asked for their next certificates and have not taken them up: the managers sign and
// write each one.
const atOnce = 30

// Planner is the rotation's [control.Planner]. There is one key: the cluster's root.
type Planner struct{}

// New returns the planner.
func New() *Planner { return &Planner{} }

// Name implements [control.Planner].
func (*Planner) Name() string { return "rotation" }

// Writer implements [control.Planner].
func (*Planner) Writer() store.Writer { return store.WriterIdentity }

// Inputs implements [control.Planner].
func (*Planner) Inputs() []control.Input {
	return []control.Input{
		control.On(store.Roots, func(_, _ *model.Root) []control.Key { return theKey() }),
		control.On(store.RootSpecs, func(_, _ *model.RootSpec) []control.Key { return theKey() }),
		control.On(store.NodeSpecs, func(old, cur *model.NodeSpec) []control.Key {
			if old != nil && cur != nil {
				return nil // who there is has not changed
			}
			return theKey()
		}),
		control.On(store.NodeIdentities, func(old, cur *model.NodeIdentity) []control.Key {
			if old != nil && cur != nil && bytes.Equal(old.Issuer, cur.Issuer) {
				return nil
			}
			return theKey()
		}),
		control.On(store.NodeStates, func(old, cur *model.NodeState) []control.Key {
			if old != nil && cur != nil && old.State == cur.State && bytes.Equal(old.Description.Raw(), cur.Description.Raw()) {
				return nil
			}
			return theKey()
		}),
	}
}

func theKey() []control.Key { return []control.Key{{}} }

// All implements [control.Planner].
func (*Planner) All(store.View) []control.Key { return theKey() }

// Plan implements [control.Planner].
func (*Planner) Plan(v store.View, _ []control.Key, _ time.Time) (control.Result, error) {
	var res control.Result
	root, spec := store.TheRoot(v), store.TheRootSpec(v)
	if root == nil || spec == nil {
		return res, nil // the cluster has the root it was founded with
	}
	wanted, err := identity.IssuerOf(spec.Cert)
	if err != nil {
		return res, nil //nolint:nilerr // it was checked when it was asked for: what cannot be read now is a newer build's
	}
	all := planNodes(v, wanted, &res)
	switch {
	case identity.Rotating(root, spec) && all && len(res.Changes) == 0:
		replace(root, spec, &res)
	case !identity.Rotating(root, spec) && !bytes.Equal(root.Private, spec.Private):
		replace(root, spec, &res) // only who has the key has changed
	}
	return res, nil
}

// replace makes the root that is wanted the cluster's.
func replace(root *model.Root, spec *model.RootSpec, res *control.Result) {
	next := *root
	next.Cert, next.Private, next.Digest, next.Cross = spec.Cert, spec.Private, spec.Digest, spec.Cross
	res.Conditions = append(res.Conditions, store.Roots.At(root))
	res.Changes = append(res.Changes, store.Roots.Put(&next))
}

// planNodes has nodes renew whose certificates are of another authority, and reports whether there are none.
func planNodes(v store.View, wanted identity.Issuer, res *control.Result) (all bool) {
	all = true
	digest := wanted.Digest()
	var ask []*model.NodeIdentity
	busy := 0
	for node := range store.NodeSpecs.All(v) {
		state, row := store.NodeStates.ByID(v, node.ID), store.NodeIdentities.ByID(v, node.ID)
		if state != nil && identity.Named(state.Description.Get().TLSInfo).Equal(wanted) {
			if row != nil && row.Issuer != nil && !bytes.Equal(row.Issuer, digest) {
				tell(row, digest, res) // by a rotation that was given up: it is as it should be
			}
			continue
		}
		all = false
		switch {
		case row == nil, state == nil, state.State != model.ReachReady:
			// It cannot be asked now; it will be when it is heard again.
		case bytes.Equal(row.Issuer, digest):
			busy++
		default:
			ask = append(ask, row)
		}
	}
	for _, row := range ask[:min(len(ask), max(0, atOnce-busy))] {
		tell(row, digest, res)
	}
	return all
}

// tell has the node told which authority its certificate is to be of. The certificate in the same row is renewed beside
// the loop, hence the condition.
func tell(row *model.NodeIdentity, digest []byte, res *control.Result) {
	next := *row
	next.Issuer = digest
	res.Conditions = append(res.Conditions, store.NodeIdentities.At(row))
	res.Changes = append(res.Changes, store.NodeIdentities.Put(&next))
}
