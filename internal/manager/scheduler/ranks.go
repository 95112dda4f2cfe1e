package scheduler

import (
	"math"
	"math/bits"
)

// summary is what is known of a node, or of several together: the fewest active tasks that one of them has, the smallest share
// that is free of one, and the most of cores and memory that is free on one.
type summary struct {
	active, free int32
	cpu, memory  int64
}

// nobody is the summary of no node.
var nobody = summary{math.MaxInt32, math.MaxInt32, math.MinInt64, math.MinInt64}

// ranks is a binary tree over the nodes of a class, in the order of their ids: each place above has the summary of the
// two below it. The first place is 1, those below place i are 2i and 2i+1, and the nodes are the last ones.
type ranks []summary

func newRanks(n int) ranks {
	r := make(ranks, 2<<bits.Len(uint(max(n, 1)-1)))
	for i := range r {
		r[i] = nobody
	}
	return r
}

// leaf says what is known of a node, and sum then of all together; set does both for one.
func (r ranks) leaf(i int, s summary) { r[len(r)/2+i] = s }

func (r ranks) sum() {
	for i := len(r)/2 - 1; i > 0; i-- {
		r[i] = r[2*i].with(r[2*i+1])
	}
}

func (r ranks) set(i int, s summary) {
	i += len(r) / 2
	for r[i] = s; i > 1; {
		i /= 2
		next := r[2*i].with(r[2*i+1])
		if next == r[i] {
			return
		}
		r[i] = next
	}
}

func (s summary) with(o summary) summary {
	return summary{min(s.active, o.active), min(s.free, o.free), max(s.cpu, o.cpu), max(s.memory, o.memory)}
}

// hasRoom reports whether one of the nodes might have room; false is certain.
func (s summary) hasRoom(a *asks) bool {
	return s.active != math.MaxInt32 && (a.resources.NanoCPUs <= 0 || a.resources.NanoCPUs <= s.cpu) &&
		(a.resources.Memory <= 0 || a.resources.Memory <= s.memory)
}

// order is what decides between the nodes below: the least of it comes first.
func (s summary) order(a *asks) int32 {
	if a.pack {
		return s.free
	}
	return s.active
}

// place is a place in ranks that was not looked into yet.
type place struct{ order, first, at int32 }

func (p place) before(o place) bool { //nolint:unused // the queue calls it
	return p.order < o.order || p.order == o.order && p.first < o.first
}

// walk yields nodes with fewer active tasks first, or those with less that is free, and of equals that with the smaller id. It looks at no more of them than
// it has to, and nothing may change meanwhile.
type walk struct {
	class *class
	asks  *asks
	open  queue[place]
}

func (c *class) walk(a *asks) walk {
	w := walk{class: c, asks: a}
	w.look(1, 0)
	return w
}

func (w *walk) look(at, first int32) {
	if s := w.class.ranks[at]; s.hasRoom(w.asks) {
		w.open.push(place{s.order(w.asks), first, at})
	}
}

// next returns the next node, or nil.
func (w *walk) next() *node {
	size := int32(len(w.class.ranks) / 2)
	for len(w.open) > 0 {
		p := w.open.pop()
		if p.at >= size {
			return w.class.nodes[p.first]
		}
		half := size >> bits.Len32(uint32(p.at)) // nodes below each of the two
		w.look(2*p.at, p.first)
		w.look(2*p.at+1, p.first+half)
	}
	return nil
}
