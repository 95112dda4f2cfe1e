package scheduler

import (
	"cmp"
	"container/heap"

	"github.com/skep-org/skep/internal/manager/constraint"
)

// branch is one value of a spread preference with the branches of the next one below it, or with the nodes that have
// this value of the last one. Without preferences the root holds the nodes.
//
// Invariant: kids and nodes are heaps, the next one to get a task on top.
type branch struct {
	value string
	tasks int // active tasks of the service on all nodes below, those that can take no more included
	index map[string]*branch
	kids  queue[*branch]
	nodes queue[candidate]
}

// candidate is a node that passed the filters.
type candidate struct {
	*node
	failures int
	own      int // active tasks of the service on the node
}

// tree sorts the nodes by a group's spread preferences; the filters are asked once per node.
func (r *round) tree(g *group) *branch {
	root := &branch{}
	for _, n := range r.usage.nodes {
		if !n.present {
			continue
		}
		b, own := root, n.ofService(g.demand.service)
		for _, descriptor := range g.demand.spread {
			value, known := constraint.Label(descriptor, n.attrs)
			if !known {
				continue
			}
			b.tasks += own
			b = b.kid(value)
		}
		b.tasks += own
		if n.refuses(g.demand) == fits {
			f := r.usage.recentFailures(failureKey{g.key.revision, n.id}, r.now)
			b.nodes = append(b.nodes, candidate{n, f, own})
		}
	}
	root.order()
	return root
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
	heap.Init(&b.kids)
	heap.Init(&b.nodes)
}

// place gives one task to the emptiest branch that can take it, and there to the best node. It returns nil when no
// node below can take it: then none ever will, for nodes only get fuller while a group is placed.
func (b *branch) place(d *demand, give func(*node)) *node {
	for len(b.kids) > 0 {
		if n := b.kids[0].place(d, give); n != nil {
			b.tasks++
			heap.Fix(&b.kids, 0)
			return n
		}
		heap.Pop(&b.kids)
	}
	for len(b.nodes) > 0 {
		if n := b.nodes[0].node; n.refuses(d) == fits {
			give(n)
			b.tasks++
			b.nodes[0].own++
			heap.Fix(&b.nodes, 0)
			return n
		}
		heap.Pop(&b.nodes)
	}
	return nil
}

func (b *branch) before(o *branch) bool { //nolint:unused // the queue calls it
	return cmp.Or(cmp.Compare(b.tasks, o.tasks), cmp.Compare(b.value, o.value)) < 0
}

// before puts the node with fewer tasks of the service first, then that with fewer tasks, and the node on which the
// service keeps failing last.
func (c candidate) before(o candidate) bool { //nolint:unused // the queue calls it
	return cmp.Or(
		cmp.Compare(c.failures, o.failures),
		cmp.Compare(c.own, o.own),
		cmp.Compare(c.active, o.active),
		c.id.Compare(o.id)) < 0
}

// queue is a [heap.Interface] over what knows its own order.
type queue[T interface{ before(T) bool }] []T

func (q queue[T]) Len() int           { return len(q) }
func (q queue[T]) Less(i, j int) bool { return q[i].before(q[j]) }
func (q queue[T]) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue[T]) Push(x any)        { *q = append(*q, x.(T)) }
func (q *queue[T]) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
