package migrate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/manager/constraint"
	"github.com/skep-org/skep/internal/model"
)

func (c *carrier) service(s swarm.Service) {
	name := s.Spec.Name
	if why := cannotRun(s.Spec.TaskTemplate); why != "" {
		c.found.add(Lost, "service", name, "%s", why)
		return
	}
	spec := copied(s.Spec)
	networks, missing := c.attached(s)
	if missing != "" {
		c.found.add(Lost, "service", name, "it is on the network %s, which the swarm does not have any more", missing)
		return
	}
	spec.TaskTemplate.Networks = networks
	if missing := c.refer(spec.TaskTemplate.ContainerSpec); missing != "" {
		c.found.add(Lost, "service", name, "it uses the %s, which the swarm does not have any more", missing)
		return
	}
	c.place(&spec)
	c.want.Services = append(c.want.Services, spec)
	c.history(s)
	c.ports(s)
	c.mounts(s)
	if d := spec.TaskTemplate.LogDriver; d != nil && !slices.Contains(builtInLogs(), d.Name) {
		c.found.add(Yours, "service", name, "the nodes here need the log driver %s", d.Name)
	}
}

// builtInLogs are the log drivers that every engine has.
func builtInLogs() []string {
	return []string{"", "none", "json-file", "local", "journald", "syslog", "gelf", "fluentd", "awslogs", "splunk", "gcplogs", "logentries"}
}

// cannotRun is why a service cannot be one of this cluster.
func cannotRun(t swarm.TaskSpec) string {
	switch {
	case t.Runtime == swarm.RuntimePlugin || t.PluginSpec != nil:
		return "it installs an engine plugin, which services do not do here: docker plugin install on each node"
	case t.ContainerSpec == nil:
		return "it runs no containers"
	case t.ContainerSpec.Privileges != nil && t.ContainerSpec.Privileges.CredentialSpec != nil:
		return "it has a credential spec, and so is for Windows, which nodes here are not"
	}
	for _, m := range t.ContainerSpec.Mounts {
		switch m.Type {
		case mount.TypeCluster:
			return fmt.Sprintf("it mounts the cluster volume %s at %s, which is not carried over: make it here with docker volume create, and the service after it", m.Source, m.Target)
		case mount.TypeNamedPipe:
			return fmt.Sprintf("it mounts a named pipe at %s, and so is for Windows, which nodes here are not", m.Target)
		}
	}
	return ""
}

// refer puts names where ids of secrets and configs are; it says which one is not there.
func (c *carrier) refer(spec *swarm.ContainerSpec) (missing string) {
	for _, r := range spec.Secrets {
		name, known := c.secrets[r.SecretID]
		if !known {
			return "secret " + cmp.Or(r.SecretName, r.SecretID)
		}
		r.SecretID, r.SecretName = "", name
	}
	for _, r := range spec.Configs {
		name, known := c.configs[r.ConfigID]
		if !known {
			return "config " + cmp.Or(r.ConfigName, r.ConfigID)
		}
		r.ConfigID, r.ConfigName = "", name
	}
	return ""
}

// place turns constraints on a node's id into ones on its host name: here the node has another id.
func (c *carrier) place(spec *swarm.ServiceSpec) {
	p := spec.TaskTemplate.Placement
	if p == nil {
		return
	}
	for i, expr := range p.Constraints {
		op, id, ok := nodeID(expr)
		if !ok {
			continue
		}
		host := c.hosts[id]
		if host == "" {
			c.found.add(Yours, "service", spec.Name, "it is placed by %s, a node that the swarm does not have any more: the constraint is carried as it is, and no node here meets it", expr)
			continue
		}
		p.Constraints[i] = "node.hostname" + op + host
		c.found.add(Other, "service", spec.Name, "it is placed by %s, which is %s: nodes have other ids here, so that it becomes node.hostname%s%s", expr, host, op, host)
	}
}

// nodeID reads a constraint on a node's id.
func nodeID(expr string) (op, id string, ok bool) {
	parsed, err := constraint.Parse([]string{expr})
	if err != nil {
		return "", "", false
	}
	said := parsed[0].String()
	const key = "node.id"
	if len(said) < len(key)+2 || !strings.EqualFold(said[:len(key)], key) {
		return "", "", false
	}
	op = said[len(key) : len(key)+2]
	return op, said[len(key)+2:], op == "==" || op == "!="
}

// history is what a service has behind it, and does not bring along.
func (c *carrier) history(s swarm.Service) {
	name := s.Spec.Name
	if s.PreviousSpec != nil {
		c.found.add(Other, "service", name, "the spec before the present one, for docker service rollback, is not carried")
	}
	if model.IsJob(s.Spec.Mode) {
		c.found.add(Other, "service", name, "it is a job, and a job that is made runs: here it runs once more (leave it out by --without jobs)")
	}
	if u := s.UpdateStatus; u != nil && u.State != swarm.UpdateStateCompleted && u.State != swarm.UpdateStateRollbackCompleted {
		c.found.add(Other, "service", name, "an update of it has not come to its end in the swarm (%s): what it is to become is carried, for all tasks at once", strings.ReplaceAll(string(u.State), "_", " "))
	}
}

// ports are told where the swarm chose the number.
func (c *carrier) ports(s swarm.Service) {
	if s.Spec.EndpointSpec == nil {
		return
	}
	for _, p := range s.Spec.EndpointSpec.Ports {
		if p.PublishedPort != 0 {
			continue
		}
		number := "a number"
		for _, there := range s.Endpoint.Ports {
			if there.TargetPort == p.TargetPort && cmp.Or(there.Protocol, "tcp") == cmp.Or(p.Protocol, "tcp") && there.PublishedPort != 0 {
				number = fmt.Sprintf("the number %d", there.PublishedPort)
			}
		}
		c.found.add(Other, "service", s.Spec.Name, "its port %d/%s is published as %s of the swarm's choice: this cluster makes its own", p.TargetPort, cmp.Or(p.Protocol, "tcp"), number)
	}
}
