package network

import (
	"slices"
	"time"

	"github.com/skep-org/skep/internal/model"
)

// Ring is a node's keys over time.
type Ring struct {
	Keys Keys
	Made time.Time // when the newest was
	Left bool      // a node that had keys has left the cluster since then
}

// Due is the generation that this node is to have a key of now; zero: it has all it needs. One node begins, whichever's turn
// comes first, and the others follow when they see its key. Nothing new begins before what has begun is over.
func (r Ring) Due(now time.Time, f *Fabric, self model.ID, period time.Duration) uint64 {
	own := r.Keys.Newest()
	if r.Changing() {
		return 0
	}
	next, newest := uint64(0), uint64(0)
	for id, n := range f.Nodes {
		for _, k := range n.Keys {
			if id == self || k.Generation == 0 {
				continue
			}
			newest = max(newest, k.Generation)
			if k.Generation > own && (next == 0 || k.Generation < next) {
				next = k.Generation
			}
		}
	}
	switch {
	case own == 0:
		return max(1, newest)
	case next != 0:
		return next
	case r.Left || now.Sub(r.Made) >= period:
		return own + 1
	}
	return 0
}

// With is the ring with another key, which is the newest. One that has the same device loses its own: nobody has a key left
// that goes with it.
func (r Ring) With(now time.Time, key NodeKey) Ring {
	old := r.Keys[0]
	if old.Generation == 0 {
		old = r.Keys[1]
	}
	r.Keys, r.Made, r.Left = Keys{old, key}, now, false
	if old.Generation == 0 || old.Generation%2 == key.Generation%2 {
		r.Keys = Keys{key}
	}
	return r
}

// Changing says whether one key is taking the place of another.
func (r Ring) Changing() bool { return r.Keys[0].Generation != 0 && r.Keys[1].Generation != 0 }

// Spent says whether nobody sends by the older of two keys any more, this node included.
func (r Ring) Spent(f *Fabric, self model.ID, inForce *Encrypted) bool {
	return r.Changing() && len(r.Holdups(f, self, inForce)) == 0
}

// Holdup is a node because of which the older of two keys cannot go yet. The node itself is among them while it sends by the
// older one: Towards are those that it sends to so.
type Holdup struct {
	Node    model.ID
	Behind  bool       // it has no key of the new generation
	Towards []model.ID // of those that have one
}

// Holdups are the nodes that keep the older of two keys in use, in order. One that is taken for dead is not waited for.
func (r Ring) Holdups(f *Fabric, self model.ID, inForce *Encrypted) (all []Holdup) {
	old, newest := r.Keys[0].Generation, r.Keys[1].Generation
	for _, id := range sortedIDs(f.Nodes) {
		n := f.Nodes[id]
		sends := n.Sends
		if id == self {
			sends = inForce.Sends()
		} else if n.Down || n.Keys == (Keys{}) {
			continue
		}
		behind := id != self && n.Keys.Newest() < newest
		if !behind && (sends == 0 || sends > old) {
			continue
		}
		h := Holdup{Node: id, Behind: behind}
		if id == self {
			h.Towards = slices.DeleteFunc(inForce.sendsTo(f, old), func(id model.ID) bool { return f.Nodes[id].Keys.Newest() < newest })
		}
		all = append(all, h)
	}
	return all
}

// Without is the ring without the older of two keys.
func (r Ring) Without() Ring {
	r.Keys = Keys{r.Keys[1]}
	return r
}

// Leavers says whether a node that had keys is in the cluster no more.
func Leavers(before, now *Fabric) bool {
	for id, n := range before.Nodes {
		if _, ok := now.Nodes[id]; !ok && n.Keys != (Keys{}) {
			return true
		}
	}
	return false
}
