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
	for _, step := range []func(*swarm.ServiceSpec) error{checkMode, checkRuntime, readContainer, checkRestart, checkUpdates, readEndpoint} {
		if err := step(spec); err != nil {
			return err
		}
	}
	*spec = model.Filled(*spec)
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	return nil
}

func checkMode(spec *swarm.ServiceSpec) error {
	m := &spec.Mode
	modes := 0
	for _, set := range []bool{m.Replicated != nil, m.Global != nil, m.ReplicatedJob != nil, m.GlobalJob != nil} {
		if set {
			modes++
		}
	}
	if modes > 1 {
		return httperr.BadRequest("must specify only one service mode")
	}
	return nil
}

func checkRuntime(spec *swarm.ServiceSpec) error {
	t := &spec.TaskTemplate
	switch t.Runtime {
	case "", swarm.RuntimeContainer:
		if t.ContainerSpec == nil {
			return httperr.BadRequest("mismatched Runtime and *Spec fields")
		}
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

// readContainer reads an unknown isolation as the default: so does swarm.
func readContainer(spec *swarm.ServiceSpec) error {
	c := spec.TaskTemplate.ContainerSpec
	if c == nil {
		return nil
	}
	if !knownIsolation(c.Isolation) {
		c.Isolation = container.IsolationDefault
	}
	if c.Privileges != nil && c.Privileges.CredentialSpec != nil {
		if err := credentialSpec(c.Privileges.CredentialSpec); err != nil {
			return err
		}
	}
	for i := range c.Mounts {
		if err := checkMount(&c.Mounts[i]); err != nil {
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
	return i == "" || i == container.IsolationDefault || i == container.IsolationProcess || i == container.IsolationHyperV
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

func checkMount(m *mount.Mount) error {
	switch m.Type {
	case "", mount.TypeBind, mount.TypeVolume, mount.TypeTmpfs, mount.TypeNamedPipe, mount.TypeCluster, mount.TypeImage:
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

func checkRestart(spec *swarm.ServiceSpec) error {
	p := spec.TaskTemplate.RestartPolicy
	if p == nil {
		return nil
	}
	switch p.Condition {
	case "", swarm.RestartPolicyConditionNone, swarm.RestartPolicyConditionOnFailure, swarm.RestartPolicyConditionAny:
	default:
		return httperr.BadRequest("invalid RestartCondition: %q", string(p.Condition))
	}
	return nil
}

func checkUpdates(spec *swarm.ServiceSpec) error {
	for _, u := range []*swarm.UpdateConfig{spec.UpdateConfig, spec.RollbackConfig} {
		if u == nil {
			continue
		}
		switch u.FailureAction {
		case "", swarm.UpdateFailureActionPause, swarm.UpdateFailureActionContinue, swarm.UpdateFailureActionRollback:
		default:
			return httperr.BadRequest("unrecognized update failure action %s", u.FailureAction)
		}
		switch u.Order {
		case "", swarm.UpdateOrderStopFirst, swarm.UpdateOrderStartFirst:
		default:
			return httperr.BadRequest("unrecognized update order %s", u.Order)
		}
	}
	return nil
}

// readEndpoint reads an unknown protocol as tcp and an unknown publish mode as ingress: so does swarm.
func readEndpoint(spec *swarm.ServiceSpec) error {
	e := spec.EndpointSpec
	if e == nil {
		return nil
	}
	switch e.Mode {
	case "", swarm.ResolutionModeVIP, swarm.ResolutionModeDNSRR:
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
