package scheduler

import (
	"fmt"
	"strconv"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/manager/resources"
)

// asks is what a task asks of a node, whatever service it is of. It is immutable.
type asks struct {
	resources   resources.Amounts
	ports       []hostPort
	plugins     []plugin
	encrypted   bool // its networks are, or some
	constraints []constraint.Constraint
	impossible  bool // a constraint cannot be read: no node satisfies it
	platforms   []swarm.Platform
	maxReplicas uint64
	spread      []string
	pack        bool // see placement.Binpack
}

// profile is what many revisions ask alike, with what was found out about it. Most services of a cluster ask for one of a few
// things, so that this is found out once.
type profile struct {
	asks
	key      string
	users    int                     // demands that point to it
	personal []constraint.Constraint // those that each node has to be asked by itself

	fitting   []*class // those whose nodes may take a task, as of version
	version   int
	refused   refusals // by all nodes, as of epoch
	explained int
}

// appendKey adds what is equal for what asks for the same.
func (a *asks) appendKey(b []byte) []byte {
	b = strconv.AppendInt(b, a.resources.NanoCPUs, 10)
	b = strconv.AppendInt(append(b, ' '), a.resources.Memory, 10)
	if len(a.resources.Generic) == 0 && len(a.ports)+len(a.plugins)+len(a.constraints)+len(a.platforms)+len(a.spread) == 0 &&
		!a.impossible && a.maxReplicas == 0 && !a.pack && !a.encrypted {
		return b // most ask for no more
	}
	return fmt.Appendf(b, " %v %v %q %q %t %q %d %q %t %t", a.resources.Generic, a.ports, a.plugins,
		a.constraints, a.impossible, a.platforms, a.maxReplicas, a.spread, a.pack, a.encrypted)
}

func newProfile(a asks, key string) *profile {
	p := &profile{asks: a, key: key, version: -1, explained: -1}
	for _, c := range a.constraints {
		if _, shared := c.Attribute(); !shared {
			p.personal = append(p.personal, c)
		}
	}
	return p
}

// questions are those whose answers say whether all nodes of a class, or none, can take a task, and which branch they are in.
func (p *profile) questions() []question {
	var out []question
	for _, c := range p.constraints {
		if attribute, shared := c.Attribute(); shared {
			out = append(out, question{attribute.Name, func(n *node) string { return attribute.Of(&n.attrs) }})
		}
	}
	for _, descriptor := range p.spread {
		if attribute, known := constraint.LabelAttribute(descriptor); known {
			out = append(out, question{attribute.Name, func(n *node) string { return attribute.Of(&n.attrs) }})
		}
	}
	for _, ask := range p.plugins {
		out = append(out, question{"plugin " + ask.kind + "/" + ask.name, func(n *node) string {
			return fmt.Sprint(n.hasPlugins([]plugin{ask}))
		}})
	}
	if p.encrypted {
		out = append(out, question{"encryption", func(n *node) string { return fmt.Sprint(n.carries) }})
	}
	if len(p.platforms) > 0 {
		out = append(out, question{"platform", func(n *node) string { return n.attrs.OS + "/" + n.attrs.Arch }})
	}
	return out
}

// suits reports whether the nodes of a class can take a task, but for what tasks take of each and what is asked of each by
// itself. Any of its nodes speaks for all.
func (p *profile) suits(c *class) bool {
	n := c.nodes[0]
	if !n.hasPlugins(p.plugins) || !n.hasPlatform(p.platforms) || p.impossible || p.encrypted && n.carries != carried {
		return false
	}
	for _, ask := range p.constraints {
		if _, shared := ask.Attribute(); shared && !constraint.Match([]constraint.Constraint{ask}, n.attrs) {
			return false
		}
	}
	return true
}

// among lists the classes whose nodes can take a task.
func (p *profile) among(all *classes) []*class {
	if p.version != all.version {
		p.version, p.fitting = all.version, nil
		for _, c := range all.list {
			if p.suits(c) {
				p.fitting = append(p.fitting, c)
			}
		}
	}
	return p.fitting
}
