package scheduler

import (
	"slices"
	"strconv"
)

// question is about what many nodes have in common. Only what some task has asked for is one: labels that nobody asks for
// tell no nodes apart.
type question struct {
	name   string
	answer func(*node) string
}

// class is the nodes that answer all questions alike.
//
// Invariant: but for what stale and a node's dirty say, nodes is ordered by id and ranks has the summary of each.
type class struct {
	key   string
	nodes []*node
	ranks ranks
	stale bool // nodes have come or gone
}

// classes sorts the nodes by their answers.
type classes struct {
	questions []question
	asked     map[string]bool
	byKey     map[string]*class
	list      []*class // those that have nodes, by key
	version   int      // of list: rises when a class comes or goes
	dirty     []*node  // their place in the order of their class may be another
	stale     []*class
}

func newClasses() classes { return classes{asked: map[string]bool{}, byKey: map[string]*class{}} }

// learn takes in questions. A new one may part the nodes of a class.
func (cs *classes) learn(questions []question) {
	for _, q := range questions {
		if cs.asked[q.name] {
			continue
		}
		cs.asked[q.name] = true
		cs.questions = append(cs.questions, q)
		before := cs.byKey
		cs.byKey = make(map[string]*class, len(before))
		for _, c := range before {
			for _, n := range c.nodes {
				if n.class == c {
					cs.join(n, c.key+answered(q.answer(n)))
				}
			}
		}
		cs.stale = cs.stale[:0]
		for _, c := range cs.byKey {
			cs.stale = append(cs.stale, c)
		}
		cs.relist()
	}
}

// answered makes an answer a part of a key that cannot be read in another way.
func answered(answer string) string { return strconv.Itoa(len(answer)) + ":" + answer }

// enter puts a node into the class its answers say.
func (cs *classes) enter(n *node) {
	key := ""
	for _, q := range cs.questions {
		key += answered(q.answer(n))
	}
	if n.class == nil || n.class.key != key {
		cs.leave(n)
		cs.join(n, key)
	}
	cs.touch(n)
}

func (cs *classes) join(n *node, key string) {
	c := cs.byKey[key]
	if c == nil {
		c = &class{key: key}
		cs.byKey[key] = c
	}
	c.nodes = append(c.nodes, n)
	n.class = c
	cs.outdate(c)
}

// leave takes a node out; it stays in the class's list until that is put in order.
func (cs *classes) leave(n *node) {
	if n.class != nil {
		cs.outdate(n.class)
		n.class = nil
	}
}

func (cs *classes) outdate(c *class) {
	if !c.stale {
		c.stale = true
		cs.stale = append(cs.stale, c)
	}
}

// touch says that tasks have taken, or given back, something of the node.
func (cs *classes) touch(n *node) {
	if n.class != nil && !n.dirty {
		n.dirty = true
		cs.dirty = append(cs.dirty, n)
	}
}

// refresh puts in order what has changed since it was last called.
func (cs *classes) refresh() {
	if len(cs.stale) > 0 {
		for _, c := range cs.stale {
			c.rebuild()
			if len(c.nodes) == 0 {
				delete(cs.byKey, c.key)
			}
		}
		cs.stale = cs.stale[:0]
		cs.relist()
	}
	for _, n := range cs.dirty {
		n.dirty = false
		if n.class != nil {
			n.class.ranks.set(n.rank, n.summary())
		}
	}
	cs.dirty = cs.dirty[:0]
}

func (cs *classes) relist() {
	cs.version++
	cs.list = cs.list[:0]
	for _, c := range cs.byKey {
		cs.list = append(cs.list, c)
	}
	slices.SortFunc(cs.list, func(a, b *class) int {
		if a.key < b.key {
			return -1
		}
		return 1
	})
}

func (c *class) rebuild() {
	c.stale = false
	c.nodes = slices.DeleteFunc(c.nodes, func(n *node) bool { return n.class != c })
	slices.SortFunc(c.nodes, func(a, b *node) int { return a.id.Compare(b.id) })
	c.nodes = slices.Compact(c.nodes) // one may have left and come back
	c.ranks = newRanks(len(c.nodes))
	for i, n := range c.nodes {
		n.rank = i
		c.ranks.leaf(i, n.summary())
	}
	c.ranks.sum()
}
