package scheduler

import "github.com/skep-org/skep/internal/model"

// presence says how many active tasks of a service each node has.
//
// Invariant: few or many has what there is, the other nothing; no count is zero.
type presence struct {
	service model.ID
	users   int // demands that point to it
	few     []nodeCount
	many    map[*node]int
}

type nodeCount struct {
	*node
	n int
}

// fewNodes are found faster by looking at all of them, and take less memory, than in a map.
const fewNodes = 8

func (p *presence) on(n *node) int {
	if p.many != nil {
		return p.many[n]
	}
	for _, c := range p.few {
		if c.node == n {
			return c.n
		}
	}
	return 0
}

func (p *presence) add(n *node, by int) {
	if p.many != nil {
		if p.many[n] += by; p.many[n] == 0 {
			delete(p.many, n)
		}
		return
	}
	for i := range p.few {
		if p.few[i].node != n {
			continue
		}
		if p.few[i].n += by; p.few[i].n == 0 {
			last := len(p.few) - 1
			p.few[i] = p.few[last]
			p.few = p.few[:last]
		}
		return
	}
	if p.few = append(p.few, nodeCount{n, by}); len(p.few) > fewNodes {
		p.many = make(map[*node]int, 2*fewNodes)
		for _, c := range p.few {
			p.many[c.node] = c.n
		}
		p.few = nil
	}
}

// each calls f for every node that has tasks of the service, in no order.
func (p *presence) each(f func(*node, int)) {
	for _, c := range p.few {
		f(c.node, c.n)
	}
	for n, count := range p.many {
		f(n, count)
	}
}
