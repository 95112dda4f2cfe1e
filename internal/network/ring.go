package network

import (
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
	if r.Keys[0].Generation != 0 && r.Keys[1].Generation != 0 {
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

// Spent says whether nobody sends by the older of two keys any more, this node included: sends is the oldest generation it
// sends by. A node that is taken for dead is not waited for.
func (r Ring) Spent(f *Fabric, self model.ID, sends uint64) bool {
	old, newest := r.Keys[0].Generation, r.Keys[1].Generation
	if old == 0 || newest == 0 || sends != 0 && sends <= old {
		return false
	}
	for id, n := range f.Nodes {
		if id == self || n.Down || n.Keys == (Keys{}) {
			continue
		}
		if n.Keys.Newest() < newest || n.Sends != 0 && n.Sends <= old {
			return false
		}
	}
	return true
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
