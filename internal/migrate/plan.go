package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/stack/plan"
)

// What can be left out, by its name.
const (
	Encryption = "encryption"
	IPv6       = "ipv6"
	Jobs       = "jobs"
)

// Options are what the user wants.
type Options struct {
	Without []string          // Encryption, IPv6, Jobs
	Nodes   map[string]string // host names in the swarm → those of the nodes that are to be in their place
	Update  bool              // what is there and another thing becomes the swarm's
	// SameSecret says of secrets that are there, by id, whether they have the content that was given.
	SameSecret map[string]bool
	// Running is the swarm that is left, where it was just asked: it may hold ports.
	Running *Swarm
}

// Plan is what is to be written: settings and nodes, and then the writes.
type Plan struct {
	Problems []Finding // why nothing may be written
	Found    []Finding
	Settings *swarm.Spec  // what the cluster's are to become; nil: they stay
	Nodes    []swarm.Node // as they are, with the spec they are to have
	Writes   *plan.Plan
	Same     int // how many objects are there already
}

// Empty reports whether there is nothing to write.
func (p *Plan) Empty() bool { return p.Settings == nil && len(p.Nodes) == 0 && p.Writes.Empty() }

// Make compares what is wanted with what a cluster has.
func Make(want *Wanted, here Swarm, o Options) *Plan {
	m := &maker{Plan: &Plan{Writes: &plan.Plan{SecretIDs: map[string]string{}, ConfigIDs: map[string]string{}}}, want: copied(want), here: here, options: o}
	m.renameNodes()
	m.settings()
	m.nodes()
	m.networks()
	m.configs()
	m.secrets()
	m.services()
	m.running()
	return m.Plan
}

type maker struct {
	*Plan
	want    *Wanted
	here    Swarm
	options Options
}

func (m *maker) problem(kind, name, format string, args ...any) {
	m.Problems = append(m.Problems, Finding{Kind: kind, Name: name, Text: fmt.Sprintf(format, args...)})
}

func (m *maker) add(s Severity, kind, name, format string, args ...any) {
	m.Found = append(m.Found, Finding{s, kind, name, fmt.Sprintf(format, args...)})
}

func (m *maker) without(what string) bool { return slices.Contains(m.options.Without, what) }

// exists says that something is there and another thing; it reports whether that is to change.
func (m *maker) exists(kind, name, format string, args ...any) (change bool) {
	if !m.options.Update {
		m.add(Exists, kind, name, format, args...)
	}
	return m.options.Update
}

// renameNodes puts the nodes that are here in the place of the swarm's.
func (m *maker) renameNodes() {
	if len(m.options.Nodes) == 0 {
		return
	}
	for _, old := range slices.Sorted(maps.Keys(m.options.Nodes)) {
		now := m.options.Nodes[old]
		if !slices.ContainsFunc(m.want.Nodes, func(n Node) bool { return n.Hostname == old }) {
			m.problem("node", old, "--node %s=%s is about a node that the swarm does not have", old, now)
		}
		if !slices.ContainsFunc(m.here.Nodes, func(n swarm.Node) bool { return n.Description.Hostname == now }) {
			m.problem("node", now, "--node %s=%s is about a node that is not here", old, now)
		}
	}
	for i, n := range m.want.Nodes {
		if to := m.options.Nodes[n.Hostname]; to != "" {
			m.want.Nodes[i].Hostname = to
		}
	}
	for _, s := range m.want.Services {
		if s.TaskTemplate.Placement == nil {
			continue
		}
		for i, expr := range s.TaskTemplate.Placement.Constraints {
			s.TaskTemplate.Placement.Constraints[i] = renamed(expr, m.options.Nodes)
		}
	}
}

// renamed is a constraint on a host name with the name that stands for it here.
func renamed(expr string, names map[string]string) string {
	for _, op := range []string{"==", "!="} {
		key, host, ok := strings.Cut(expr, op)
		if to := names[strings.TrimSpace(host)]; ok && to != "" && strings.EqualFold(strings.TrimSpace(key), "node.hostname") {
			return "node.hostname" + op + to
		}
	}
	return expr
}

// running refuses what the swarm that is left holds on a host that is here too.
func (m *maker) running() {
	if m.options.Running == nil {
		return
	}
	var shared []string
	for _, n := range m.options.Running.Nodes {
		same := func(h swarm.Node) bool {
			return h.Description.Hostname == n.Description.Hostname && h.Status.Addr == n.Status.Addr && !loopback(n.Status.Addr)
		}
		if n.Status.State == swarm.NodeStateReady && slices.ContainsFunc(m.here.Nodes, same) {
			shared = append(shared, n.Description.Hostname)
		}
	}
	if len(shared) == 0 {
		return
	}
	slices.Sort(shared)
	for _, s := range m.Writes.Create {
		if s.EndpointSpec == nil {
			continue
		}
		for _, p := range s.EndpointSpec.Ports {
			if p.PublishedPort != 0 {
				m.problem("service", s.Name, "the swarm holds its port %d on %s, which is a node here too: keep the swarm in a directory (--write), end it there (docker swarm leave --force), and migrate from the directory", p.PublishedPort, strings.Join(shared, ", "))
			}
		}
	}
}

// network is the cluster's network of a name.
func (m *maker) network(name string) *network.Summary {
	for i := range m.here.Networks {
		if n := &m.here.Networks[i]; n.Name == name && n.Scope == swarmScope {
			return n
		}
	}
	return nil
}

func find[T any](all []T, name string, nameOf func(*T) string) *T {
	for i := range all {
		if nameOf(&all[i]) == name {
			return &all[i]
		}
	}
	return nil
}
