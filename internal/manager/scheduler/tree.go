package scheduler

import (
	"cmp"

	"github.com/skep-org/skep/internal/manager/constraint"
)

// branch is one value of a spread preference with the branches of the next one below it, or with the nodes that have
// this value of the last one. Without preferences the root holds the nodes.
//
// Most nodes are untouched: they have no task of the service, and it does not keep failing there. They are looked at one by
// one, in the order of their classes, as they are needed. The others are few, and come later, unless nodes are to be filled: then
// that counts which has less that is free, touched or not.
//
// Invariant: kids, untouched and nodes are heaps, the next one to get a task on top.
type branch struct {
	value     string
	tasks     int // active tasks of the service on all nodes below, those that can take no more included
	index     map[string]*branch
	kids      queue[*branch]
	untouched queue[stream]
	nodes     queue[candidate]
}

// stream is the untouched nodes of one class that fit; next is the first of them.
type stream struct {
	walk
	next  *node
	order int32
}

// candidate is a node that passed the filters, and what decides between it and others.
type candidate struct {
	*node
	failures int
	own      int   // active tasks of the service on the node; where nodes are to be filled that does not matter: 0
	order    int32 // see summary.order
}

// tree sorts the classes by a group's spread preferences.
type tree struct {
	*branch
	demand  *demand
	failing map[*node]int
}

func (r *round) tree(g *group) *tree {
	r.usage.classes.refresh()
	t := &tree{&branch{}, g.demand, r.usage.failing(g.key.revision, r.now)}
	for _, c := range g.demand.among(&r.usage.classes) {
		s := stream{walk: c.walk(&g.demand.asks)}
		if t.advance(&s) {
			b := t.grow(c)
			b.untouched.push(s)
		}
	}
	g.demand.present.each(func(n *node, own int) { t.touch(n, own) })
	for n := range t.failing {
		if g.demand.present.on(n) == 0 {
			t.touch(n, 0)
		}
	}
	t.order()
	return t
}

// path calls f for a node's value of each preference.
func (t *tree) path(n *node, f func(value string)) {
	for _, descriptor := range t.demand.spread {
		if value, known := constraint.Label(descriptor, n.attrs); known {
			f(value)
		}
	}
}

// grow returns the branch of a class's nodes.
func (t *tree) grow(c *class) *branch { return t.branchOf(c.nodes[0]) }

func (t *tree) branchOf(n *node) *branch {
	b := t.branch
	t.path(n, func(value string) { b = b.kid(value) })
	return b
}

// touch tells a node in that has tasks of the service, or on which it keeps failing. It counts where it is whether it can
// take one more or not.
func (t *tree) touch(n *node, own int) {
	if !n.present {
		return
	}
	b := t.branch
	b.tasks += own
	t.path(n, func(value string) {
		b = b.kid(value)
		b.tasks += own
	})
	if n.refuses(t.demand) == fits {
		b.nodes = append(b.nodes, t.candidate(n, own))
	}
}

func (t *tree) candidate(n *node, own int) candidate {
	if t.demand.pack {
		own = 0
	}
	return candidate{n, t.failing[n], own, n.summary().order(&t.demand.asks)}
}

// advance moves a stream to its next node, and reports whether there is one.
func (t *tree) advance(s *stream) bool {
	for s.next = s.walk.next(); s.next != nil; s.next = s.walk.next() {
		if t.failing[s.next] == 0 && t.demand.present.on(s.next) == 0 && s.next.takes(t.demand) {
			s.order = s.next.summary().order(s.asks)
			return true
		}
	}
	return false
}

func (b *branch) kid(value string) *branch {
	k := b.index[value]
	if k == nil {
		if b.index == nil {
			b.index = map[string]*branch{}
		}
		k = &branch{value: value}
		b.index[value] = k
		b.kids = append(b.kids, k)
	}
	return k
}

func (b *branch) order() {
	for _, k := range b.kids {
		k.order()
	}
	b.kids.order()
	b.nodes.order()
}

// place gives one task to the emptiest branch that can take it, and there to the best node. It returns nil when no
// node below can take it: then none ever will, for nodes only get fuller while a group is placed.
func (t *tree) place(give func(*node)) *node { return t.placeBelow(t.branch, give) }

func (t *tree) placeBelow(b *branch, give func(*node)) *node {
	for len(b.kids) > 0 {
		if n := t.placeBelow(b.kids[0], give); n != nil {
			b.tasks++
			b.kids.sink(0)
			return n
		}
		b.kids.pop()
	}
	for len(b.untouched)+len(b.nodes) > 0 {
		if !b.touchedFirst(t.demand) {
			n := b.untouched[0].next
			if t.advance(&b.untouched[0]) {
				b.untouched.sink(0)
			} else {
				b.untouched.pop()
			}
			give(n)
			b.tasks++
			b.nodes.push(t.candidate(n, 1))
			return n
		}
		if n := b.nodes[0].node; n.refuses(t.demand) == fits {
			give(n)
			b.tasks++
			b.nodes[0] = t.candidate(n, b.nodes[0].own+1)
			b.nodes.sink(0)
			return n
		}
		b.nodes.pop()
	}
	return nil
}

// touchedFirst reports whether the next node to be asked is one that is touched.
func (b *branch) touchedFirst(d *demand) bool {
	switch {
	case len(b.untouched) == 0:
		return true
	case len(b.nodes) == 0 || !d.pack || b.nodes[0].failures > 0:
		return false
	}
	first, touched := &b.untouched[0], &b.nodes[0]
	return cmp.Or(cmp.Compare(touched.order, first.order), touched.id.Compare(first.next.id)) < 0
}

func (b *branch) before(o *branch) bool { //nolint:unused // the queue calls it
	return cmp.Or(cmp.Compare(b.tasks, o.tasks), cmp.Compare(b.value, o.value)) < 0
}

func (s stream) before(o stream) bool { //nolint:unused // the queue calls it
	return cmp.Or(cmp.Compare(s.order, o.order), s.next.id.Compare(o.next.id)) < 0
}

// before puts the node with fewer tasks of the service first, then that with fewer tasks, or else the fullest one, and the node on
// which the service keeps failing last.
func (c candidate) before(o candidate) bool { //nolint:unused // the queue calls it
	return cmp.Or(
		cmp.Compare(c.failures, o.failures),
		cmp.Compare(c.own, o.own),
		cmp.Compare(c.order, o.order),
		c.id.Compare(o.id)) < 0
}
