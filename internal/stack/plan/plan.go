package plan

import (
	"fmt"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/model/privilege"
	"github.com/skep-org/skep/internal/stack"
)

// Current is what a cluster has: all of it, as objects of other stacks and of none may be in the way, or in use.
type Current struct {
	Services []swarm.Service
	Networks []network.Summary
	Secrets  []swarm.Secret
	Configs  []swarm.Config
	// SameSecret are the ids of secrets whose content is known to be the one asked for: the cluster shows nobody a secret.
	SameSecret map[string]bool
	// Kept are the names of the versions that revisions of the stack refer to, which may be deployed again.
	Kept map[string]bool
	// Policy says who may have what is beyond swarm; nil is not known, and then the cluster itself refuses.
	Policy privilege.Policy
}

// Options are what the user wants of a deployment.
type Options struct {
	Prune    bool   // remove the stack's services that are in the files no more
	Resolve  string // ResolveAlways, ResolveChanged or ResolveNever
	Resolved map[string]Image
	Beside   string // what is said of services that are not in the stack, if it is not from files: "not in revision 3"
}

// Plan is what is to be written, in this order.
type Plan struct {
	Problems []string // why nothing may be written
	Warnings []string

	Prune    []swarm.Service
	Networks []network.CreateRequest
	Secrets  []swarm.SecretSpec
	Configs  []swarm.ConfigSpec
	Relabel  Relabel
	Create   []swarm.ServiceSpec
	Update   []swarm.Service // as they are, with the spec they are to have
	Same     []swarm.Service // what there is nothing to do about

	OldSecrets []swarm.Secret
	OldConfigs []swarm.Config

	// Stack is what is deployed, by the names the cluster has for it: without what secrets and configs hold, and without ids.
	Stack *stack.Stack

	// The ids of what is there already, by name.
	SecretIDs, ConfigIDs map[string]string
}

// Relabel are objects that are to have other labels: all that can change of one.
type Relabel struct {
	Secrets []swarm.Secret
	Configs []swarm.Config
}

// Make compares.
func Make(s *stack.Stack, now Current, o Options) *Plan {
	m := &maker{Plan: &Plan{SecretIDs: map[string]string{}, ConfigIDs: map[string]string{}}, stack: s, now: now, options: o, renamed: map[string]string{}}
	m.Stack = &stack.Stack{Name: s.Name, Networks: s.Networks}
	m.networks()
	m.secrets()
	m.configs()
	m.services()
	m.ports()
	m.old()
	return m.Plan
}

// Empty reports whether there is nothing to write.
func (p *Plan) Empty() bool {
	return len(p.Prune)+len(p.Networks)+len(p.Secrets)+len(p.Configs)+len(p.Relabel.Secrets)+len(p.Relabel.Configs)+
		len(p.Create)+len(p.Update)+len(p.OldSecrets)+len(p.OldConfigs) == 0
}

type maker struct {
	*Plan
	stack   *stack.Stack
	now     Current
	options Options
	// renamed are objects that docker stack deploy made and that are kept: what the stack calls them, and their names.
	renamed map[string]string
}

func (m *maker) problem(format string, args ...any) {
	m.Problems = append(m.Problems, fmt.Sprintf(format, args...))
}
func (m *maker) warn(format string, args ...any) {
	m.Warnings = append(m.Warnings, fmt.Sprintf(format, args...))
}

// ours reports whether labels are those of the stack.
func (m *maker) ours(labels map[string]string) bool {
	return labels[stack.LabelNamespace] == m.stack.Name
}
