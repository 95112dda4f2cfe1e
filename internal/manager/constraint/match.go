package constraint

import (
	"net/netip"
	"strings"

	"github.com/skep-org/skep/internal/model"
)

// The key prefixes that a label's name follows.
const (
	nodeLabelPrefix   = "node.labels."
	engineLabelPrefix = "engine.labels."
)

// Node is what constraints are about.
type Node struct {
	ID           model.ID
	Role         model.Role // as granted, not as asked for
	Hostname     string
	Addr         string
	OS, Arch     string
	Labels       map[string]string
	EngineLabels map[string]string
}

// NodeOf collects a node's attributes of its rows. state may be nil: the node's agent was never heard.
func NodeOf(spec *model.NodeSpec, state *model.NodeState, granted model.Role) Node {
	n := Node{ID: spec.ID, Role: granted, Labels: spec.Spec.Get().Labels}
	if state != nil {
		d := state.Description.Get()
		n.Addr, n.Hostname = state.Addr, d.Hostname
		n.OS, n.Arch = d.Platform.OS, d.Platform.Architecture
		n.EngineLabels = d.Engine.Labels
	}
	return n
}

// Match reports whether the node satisfies every constraint.
func Match(constraints []Constraint, n Node) bool {
	for _, c := range constraints {
		if !c.match(&n) {
			return false
		}
	}
	return true
}

func (c Constraint) match(n *Node) bool {
	if strings.EqualFold(c.key, "node.ip") {
		return c.matchIP(n.Addr)
	}
	attribute := attributeOf(c.key)
	return attribute != nil && strings.EqualFold(attribute(n), c.value) != c.not
}

// attributeOf finds what a key speaks of; nil for a key no node has.
func attributeOf(key string) func(*Node) string {
	if label, ok := cutPrefixFold(key, nodeLabelPrefix); ok {
		return func(n *Node) string { return n.Labels[label] }
	}
	if label, ok := cutPrefixFold(key, engineLabelPrefix); ok {
		return func(n *Node) string { return n.EngineLabels[label] }
	}
	switch strings.ToLower(key) {
	case "node.id":
		return func(n *Node) string { return n.ID.String() }
	case "node.hostname":
		return func(n *Node) string { return n.Hostname }
	case "node.ip":
		return func(n *Node) string { return n.Addr }
	case "node.role":
		return func(n *Node) string { return string(n.Role.Swarm()) }
	case "node.platform.os":
		return func(n *Node) string { return n.OS }
	case "node.platform.arch":
		return func(n *Node) string { return n.Arch }
	}
	return nil
}

// cutPrefixFold leaves the rest as written: a label's name is compared with regard to case.
func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) <= len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// matchIP compares with an address or a subnet; a value that is neither matches no node, whatever the operator.
func (c Constraint) matchIP(addr string) bool {
	node, err := netip.ParseAddr(addr)
	known := err == nil
	node = node.Unmap()
	if ip, err := netip.ParseAddr(c.value); err == nil {
		return (known && ip.Unmap() == node) != c.not
	}
	if subnet, err := netip.ParsePrefix(c.value); err == nil {
		return (known && subnet.Masked().Contains(node)) != c.not
	}
	return false
}

// Attribute is one thing that constraints and spread preferences can ask of a node.
type Attribute struct {
	Name string // equal for keys that ask for the same
	Of   func(*Node) string
}

// Attribute is what the constraint asks about, where many nodes can have the same of it. It is not shared where each node has
// its own, as an address; then, and for a key no node has, there is no more to know than what Match says of each node.
func (c Constraint) Attribute() (a Attribute, shared bool) {
	switch name := strings.ToLower(c.key); name {
	case "node.id", "node.hostname", "node.ip":
		return Attribute{}, false
	case "node.role", "node.platform.os", "node.platform.arch":
		return Attribute{name, attributeOf(name)}, true
	}
	return LabelAttribute(c.key)
}

// LabelAttribute is what a spread preference asks about; known is false when the descriptor names no label.
func LabelAttribute(descriptor string) (a Attribute, known bool) {
	for _, prefix := range []string{nodeLabelPrefix, engineLabelPrefix} {
		if label, ok := cutPrefixFold(descriptor, prefix); ok {
			return Attribute{prefix + label, attributeOf(prefix + label)}, true
		}
	}
	return Attribute{}, false
}

// Label is the value of the node or engine label that a spread preference names ("node.labels.zone"), empty when the
// node does not have it; known is false when the descriptor names no label.
func Label(descriptor string, n Node) (value string, known bool) {
	if label, ok := cutPrefixFold(descriptor, nodeLabelPrefix); ok {
		return n.Labels[label], true
	}
	if label, ok := cutPrefixFold(descriptor, engineLabelPrefix); ok {
		return n.EngineLabels[label], true
	}
	return "", false
}
