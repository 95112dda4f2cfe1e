package validate

import (
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/model"
)

// Fill refuses values outside of Docker's lists of words and writes swarm's own values where the spec has
// none. It changes spec.
func Fill(spec *swarm.ServiceSpec) error {
	for _, step := range []func(*swarm.ServiceSpec) error{fillMode, fillRuntime, fillContainer, fillRestart, fillUpdates, fillEndpoint} {
		if err := step(spec); err != nil {
			return err
		}
	}
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	return nil
}

func fillMode(spec *swarm.ServiceSpec) error {
	m := &spec.Mode
	modes := 0
	for _, set := range []bool{m.Replicated != nil, m.Global != nil, m.ReplicatedJob != nil, m.GlobalJob != nil} {
		if set {
			modes++
		}
	}
	switch {
	case modes > 1:
		return httperr.BadRequest("must specify only one service mode")
	case modes == 0:
		m.Replicated = &swarm.ReplicatedService{}
	}
	if m.Replicated != nil && m.Replicated.Replicas == nil {
		one := uint64(1)
		m.Replicated = &swarm.ReplicatedService{Replicas: &one}
	}
	if m.ReplicatedJob != nil {
		concurrent, total := model.JobSize(m.ReplicatedJob)
		m.ReplicatedJob = &swarm.ReplicatedJob{MaxConcurrent: &concurrent, TotalCompletions: &total}
	}
	return nil
}

func fillRuntime(spec *swarm.ServiceSpec) error {
	t := &spec.TaskTemplate
	switch t.Runtime {
	case "", swarm.RuntimeContainer:
		if t.ContainerSpec == nil {
			return httperr.BadRequest("mismatched Runtime and *Spec fields")
		}
		t.Runtime = swarm.RuntimeContainer
	case swarm.RuntimePlugin:
		if t.PluginSpec == nil {
			return httperr.BadRequest("mismatched Runtime and *Spec fields")
		}
	case swarm.RuntimeNetworkAttachment:
	default:
		return httperr.BadRequest("unsupported runtime")
	}
	return nil
}

func fillContainer(spec *swarm.ServiceSpec) error {
	c := spec.TaskTemplate.ContainerSpec
	if c == nil {
		return nil
	}
	if c.Isolation == "" || !knownIsolation(c.Isolation) {
		c.Isolation = container.IsolationDefault
	}
	if c.Privileges != nil && c.Privileges.CredentialSpec != nil {
		if err := credentialSpec(c.Privileges.CredentialSpec); err != nil {
			return err
		}
	}
	for i := range c.Mounts {
		if err := fillMount(&c.Mounts[i]); err != nil {
			return err
		}
	}
	for _, ref := range c.Configs {
		switch {
		case ref == nil:
			return httperr.BadRequest("malformed config reference")
		case ref.File != nil && ref.Runtime != nil:
			return httperr.BadRequest("invalid Config: cannot specify both File and Runtime")
		case ref.File == nil && ref.Runtime == nil:
			return httperr.BadRequest("invalid Config: either File or Runtime should be set")
		}
	}
	return nil
}

func knownIsolation(i container.Isolation) bool {
	return i == container.IsolationDefault || i == container.IsolationProcess || i == container.IsolationHyperV
}

func credentialSpec(c *swarm.CredentialSpec) error {
	var given []string
	for _, f := range []struct{ name, value string }{{"config", c.Config}, {"file", c.File}, {"registry", c.Registry}} {
		if f.value != "" {
			given = append(given, `"`+f.name+`"`)
		}
	}
	switch len(given) {
	case 0:
		return httperr.BadRequest(`invalid CredentialSpec: must either provide "file", "registry", or "config" for credential spec`)
	case 1:
		return nil
	case 2:
		return httperr.BadRequest("invalid CredentialSpec: cannot specify both %s credential specs", strings.Join(given, " and "))
	}
	return httperr.BadRequest(`invalid CredentialSpec: cannot specify "config", "file", and "registry" credential specs`)
}

func fillMount(m *mount.Mount) error {
	m.Consistency = "" // it is for Docker's desktops: swarm forgets it
	switch m.Type {
	case "":
		m.Type = mount.TypeBind
	case mount.TypeBind, mount.TypeVolume, mount.TypeTmpfs, mount.TypeNamedPipe, mount.TypeCluster, mount.TypeImage:
	default:
		return httperr.BadRequest("invalid MountType: %q", string(m.Type))
	}
	if b := m.BindOptions; b != nil {
		switch b.Propagation {
		case "", mount.PropagationPrivate, mount.PropagationRPrivate, mount.PropagationShared, mount.PropagationRShared,
			mount.PropagationSlave, mount.PropagationRSlave:
		default:
			return httperr.BadRequest("invalid MountPropagation: %q", string(b.Propagation))
		}
	}
	return nil
}

func fillRestart(spec *swarm.ServiceSpec) error {
	p := spec.TaskTemplate.RestartPolicy
	if p == nil {
		return nil
	}
	switch p.Condition {
	case "":
		p.Condition = swarm.RestartPolicyConditionAny
	case swarm.RestartPolicyConditionNone, swarm.RestartPolicyConditionOnFailure, swarm.RestartPolicyConditionAny:
	default:
		return httperr.BadRequest("invalid RestartCondition: %q", string(p.Condition))
	}
	if p.MaxAttempts == nil {
		none := uint64(0)
		p.MaxAttempts = &none
	}
	return nil
}

func fillUpdates(spec *swarm.ServiceSpec) error {
	for _, u := range []*swarm.UpdateConfig{spec.UpdateConfig, spec.RollbackConfig} {
		if u == nil {
			continue
		}
		switch u.FailureAction {
		case "":
			u.FailureAction = swarm.UpdateFailureActionPause
		case swarm.UpdateFailureActionPause, swarm.UpdateFailureActionContinue, swarm.UpdateFailureActionRollback:
		default:
			return httperr.BadRequest("unrecognized update failure action %s", u.FailureAction)
		}
		switch u.Order {
		case "":
			u.Order = swarm.UpdateOrderStopFirst
		case swarm.UpdateOrderStopFirst, swarm.UpdateOrderStartFirst:
		default:
			return httperr.BadRequest("unrecognized update order %s", u.Order)
		}
	}
	return nil
}

// fillEndpoint reads an unknown protocol as tcp and an unknown publish mode as ingress: so does swarm.
func fillEndpoint(spec *swarm.ServiceSpec) error {
	e := spec.EndpointSpec
	if e == nil {
		return nil
	}
	switch e.Mode {
	case "":
		e.Mode = swarm.ResolutionModeVIP
	case swarm.ResolutionModeVIP, swarm.ResolutionModeDNSRR:
	default:
		return httperr.BadRequest("invalid resolution mode: %q", string(e.Mode))
	}
	for i := range e.Ports {
		p := &e.Ports[i]
		switch p.Protocol = network.IPProtocol(strings.ToLower(string(p.Protocol))); p.Protocol {
		case network.TCP, network.UDP, network.SCTP:
		default:
			p.Protocol = network.TCP
		}
		if p.PublishMode != swarm.PortConfigPublishModeHost {
			p.PublishMode = swarm.PortConfigPublishModeIngress
		}
	}
	return nil
}
