package agent

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/privilege"
	"github.com/skep-org/skep/internal/wire"
)

// labelPredefined marks the cluster's rows for networks that every engine has by itself.
const labelPredefined = "com.docker.swarm.predefined"

// build gathers everything the executor needs to run a task.
func (m *Machine) build(t *task) (*executor.Task, error) {
	rev := m.set.revisions[key(t.assigned.RevisionId)]
	if rev == nil {
		return nil, fmt.Errorf("the manager did not send the spec of the task's service: revision %s", key(t.assigned.RevisionId))
	}
	spec := rev.doc.Get()
	e := &executor.Task{
		ID: t.id, ServiceID: key(t.assigned.ServiceId), NodeID: m.opts.NodeID, Slot: t.assigned.Slot,
		ServiceName: spec.Name, NodeHostname: m.hostname, Image: rev.msg.Pinned, Spec: &spec.TaskTemplate,
		ServiceLabels: spec.Labels, LogDriver: m.set.logDriver, RegistryAuth: rev.msg.RegistryAuth,
	}
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		if e.Image == "" {
			e.Image = c.Image
		}
		if err := m.addData(e, c); err != nil {
			return nil, err
		}
	}
	var err error
	if e.Beyond, err = m.beyond(spec); err != nil {
		return nil, err
	}
	if e.Volumes, err = m.mounted(t); err != nil {
		return nil, err
	}
	ports, err := hostPorts(t.assigned, spec)
	if err != nil {
		return nil, err
	}
	e.Ports = ports
	if len(t.assigned.Generic) > 0 {
		if err := json.Unmarshal(t.assigned.Generic, &e.Generic); err != nil {
			return nil, fmt.Errorf("the task's generic resources: %w", err)
		}
	}
	for i := range spec.TaskTemplate.Networks {
		n, err := m.attachment(t.assigned, &spec.TaskTemplate.Networks[i])
		if err != nil {
			return nil, err
		}
		e.Networks = append(e.Networks, n)
	}
	mesh, err := m.mesh(t.assigned)
	if err != nil {
		return nil, err
	}
	e.Networks = append(e.Networks, mesh...)
	return e, nil
}

// beyond is what a service asks for by labels of skep's own. The managers have held it against the cluster's policy; the
// node does so again, by the policy as it is now.
func (m *Machine) beyond(spec *swarm.ServiceSpec) (*privilege.Settings, error) {
	asked, err := privilege.Parse(spec.Labels)
	if err != nil {
		return nil, err
	}
	if !asked.Any() {
		return nil, nil
	}
	return asked, m.set.policy.Check(spec.Name, asked)
}

// mesh is the ingress network, if the managers have given the task an address there: no spec names it.
func (m *Machine) mesh(t *wire.Task) (networks []executor.Network, err error) {
	for _, at := range t.Networks {
		row := m.set.networks[key(at.NetworkId)]
		if row == nil {
			continue
		}
		n, err := m.attachment(t, &swarm.NetworkAttachmentConfig{Target: key(at.NetworkId).String()})
		if err != nil {
			return nil, err
		}
		if n.Ingress() {
			networks = append(networks, n)
		}
	}
	return networks, nil
}

// addData picks the secrets and configs of one task.
func (m *Machine) addData(e *executor.Task, c *swarm.ContainerSpec) error {
	for _, s := range c.Secrets {
		if s == nil {
			continue
		}
		blob, err := m.secret(e.ID, s)
		if err != nil {
			return err
		}
		if e.Secrets == nil {
			e.Secrets = map[string][]byte{}
		}
		e.Secrets[s.SecretID] = blob.Data
		addTemplate(e, s.SecretID, blob)
	}
	for _, s := range c.Configs {
		if s == nil {
			continue
		}
		blob, ok := lookup(m.set.configs, s.ConfigID)
		if !ok {
			return fmt.Errorf("config %s (%s) does not exist", s.ConfigName, s.ConfigID)
		}
		if e.Configs == nil {
			e.Configs = map[string][]byte{}
		}
		e.Configs[s.ConfigID] = blob.Data
		addTemplate(e, s.ConfigID, blob)
	}
	return nil
}

// secret is a secret's data, or why a task has to do without it for now or for good.
func (m *Machine) secret(task model.ID, ref *swarm.SecretReference) (*wire.Blob, error) {
	blob, ok := lookup(m.set.secrets, ref.SecretID)
	if id, err := model.ParseID(ref.SecretID); err == nil {
		if own := m.set.own[ownSecret{task, id}]; own != nil {
			blob, ok = own, true
		}
	}
	switch {
	case !ok:
		return nil, fmt.Errorf("secret %s (%s) does not exist", ref.SecretName, ref.SecretID)
	case blob.Err != "":
		return nil, fmt.Errorf("unable to get secret %s: %s", ref.SecretName, blob.Err)
	case blob.Pending:
		return nil, fmt.Errorf("%w for the driver that keeps secret %s", executor.ErrBusy, ref.SecretName)
	}
	return blob, nil
}

func addTemplate(e *executor.Task, id string, b *wire.Blob) {
	if b.Template == "" {
		return
	}
	if e.Templates == nil {
		e.Templates = map[string]string{}
	}
	e.Templates[id] = b.Template
}

func lookup(in map[model.ID]*wire.Blob, text string) (*wire.Blob, bool) {
	id, err := model.ParseID(text)
	if err != nil {
		return nil, false
	}
	blob, ok := in[id]
	return blob, ok
}

// hostPorts are the ports a task publishes on its own node: those the allocator chose for it, else the spec's.
func hostPorts(t *wire.Task, spec *swarm.ServiceSpec) ([]swarm.PortConfig, error) {
	if len(t.Ports) > 0 {
		var ports []swarm.PortConfig
		if err := json.Unmarshal(t.Ports, &ports); err != nil {
			return nil, fmt.Errorf("the task's ports: %w", err)
		}
		return ports, nil
	}
	if spec.EndpointSpec == nil {
		return nil, nil
	}
	var ports []swarm.PortConfig
	for _, p := range spec.EndpointSpec.Ports {
		if p.PublishMode == swarm.PortConfigPublishModeHost {
			ports = append(ports, p)
		}
	}
	return ports, nil
}

// attachment describes one network of a task. A target the cluster does not know is a network of the engine's own.
func (m *Machine) attachment(t *wire.Task, a *swarm.NetworkAttachmentConfig) (executor.Network, error) {
	n := executor.Network{Name: a.Target, Aliases: a.Aliases, Options: a.DriverOpts}
	row := m.network(a.Target)
	if row == nil {
		return n, nil
	}
	n.Name = row.Name
	spec, err := model.NewDoc[swarm.NetworkSpec](row.Spec)
	if err != nil {
		return n, fmt.Errorf("network %s: %w", row.Name, err)
	}
	if _, ok := spec.Get().Labels[labelPredefined]; ok {
		return n, nil
	}
	n.ID, n.Spec = key(row.Id), spec.Get()
	n.Subnet, n.Gateway = prefixText(row.Subnet), addrText(row.Gateway)
	for _, at := range t.Networks {
		if key(at.NetworkId) == n.ID {
			n.Addr = prefixText(at.Addr)
		}
	}
	return n, nil
}

func (m *Machine) network(target string) *wire.Network {
	if id, err := model.ParseID(target); err == nil && m.set.networks[id] != nil {
		return m.set.networks[id]
	}
	for _, n := range m.set.networks {
		if n.Name == target {
			return n
		}
	}
	return nil
}

func prefixText(b []byte) string {
	var p netip.Prefix
	if len(b) == 0 || p.UnmarshalBinary(b) != nil {
		return ""
	}
	return p.String()
}

func addrText(b []byte) string {
	var a netip.Addr
	if len(b) == 0 || a.UnmarshalBinary(b) != nil {
		return ""
	}
	return a.String()
}
