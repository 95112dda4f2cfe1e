package volumes

import (
	"github.com/moby/moby/api/types/volume"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// Kind is what a driver's controller is asked to do.
type Kind uint8

// The kinds of calls.
const (
	Create Kind = iota + 1
	Publish
	Unpublish
	Delete
)

func (k Kind) String() string {
	return [...]string{"", "create", "publish", "unpublish", "delete"}[k]
}

// Call is one call that a volume's controller is to be given.
type Call struct {
	Kind   Kind
	Volume *model.Volume
	State  *model.VolumeState // as the call was found due
	Node   model.VolumeNode   // of Publish and Unpublish
}

// Outcome is what became of a call.
type Outcome struct {
	Err error // the call may have had its effect all the same: it is made again

	// Of Create.
	Handle   string
	Capacity int64
	Context  map[string]string
	Topology []volume.Topology
	Attaches bool
	// Of Publish.
	Published map[string]string
}

// Due are the calls that a volume waits for, in the order in which they are to be made: one after the other. What frees the
// volume comes before what takes it.
func Due(v store.View, id model.ID) []Call {
	vol, s := store.Volumes.ByID(v, id), store.VolumeStates.ByID(v, id)
	if vol == nil || s == nil || s.Deleted {
		return nil
	}
	if s.Handle == "" {
		if vol.Removing {
			return []Call{{Kind: Delete, Volume: vol, State: s}}
		}
		return []Call{{Kind: Create, Volume: vol, State: s}}
	}
	var calls []Call
	for _, n := range s.Nodes {
		if n.Phase == model.VolumeControllerRelease {
			calls = append(calls, Call{Unpublish, vol, s, n})
		}
	}
	for _, n := range s.Nodes {
		if n.Phase == model.VolumePending {
			calls = append(calls, Call{Publish, vol, s, n})
		}
	}
	if len(s.Nodes) == 0 && vol.Removing {
		calls = append(calls, Call{Kind: Delete, Volume: vol, State: s})
	}
	return calls
}

// Apply is the row of a volume with the outcome of a call in it; nil: the outcome says nothing new.
func Apply(s *model.VolumeState, c Call, o Outcome) *model.VolumeState {
	next := copyOf(s)
	words := ""
	if o.Err != nil {
		words = o.Err.Error()
	}
	switch c.Kind {
	case Create, Delete:
		next.Err = words
		if o.Err == nil && c.Kind == Create && s.Handle == "" {
			next.Handle, next.Capacity, next.Context, next.Topology, next.Attaches = o.Handle, o.Capacity, o.Context, o.Topology, o.Attaches
		}
		next.Deleted = s.Deleted || o.Err == nil && c.Kind == Delete
	case Publish, Unpublish:
		n := next.On(c.Node.NodeID)
		if n == nil || n.Round != c.Node.Round {
			return nil // a stay that is over
		}
		n.Err = words
		switch {
		case o.Err != nil:
		case c.Kind == Publish && n.Phase == model.VolumePending:
			n.Phase, n.Context = model.VolumePublished, o.Published
		case c.Kind == Unpublish && n.Phase == model.VolumeControllerRelease:
			next.Nodes = without(next.Nodes, n.NodeID)
		}
	}
	if same(s, next) {
		return nil
	}
	return next
}

func without(nodes []model.VolumeNode, id model.ID) []model.VolumeNode {
	var out []model.VolumeNode
	for _, n := range nodes {
		if n.NodeID != id {
			out = append(out, n)
		}
	}
	return out
}
