package agent

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/model/privilege"
	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// assignments is what the manager has sent.
type assignments struct {
	epoch, version uint64 // of the newest applied, ever
	synced         bool   // a full set was applied by this process
	raised         bool   // one of them raised the epoch
	revisions      map[model.ID]*revision
	networks       map[model.ID]*wire.Network
	secrets        map[model.ID]*wire.Blob
	configs        map[model.ID]*wire.Blob
	own            map[ownSecret]*wire.Blob // secrets that drivers gave for one task alone
	logDriver      *swarm.Driver
	policy         privilege.Policy
}

type ownSecret struct{ task, secret model.ID }

type revision struct {
	msg *wire.Revision
	doc model.Doc[swarm.ServiceSpec]
}

func newAssignments() assignments {
	return assignments{
		revisions: map[model.ID]*revision{}, networks: map[model.ID]*wire.Network{},
		secrets: map[model.ID]*wire.Blob{}, configs: map[model.ID]*wire.Blob{}, own: map[ownSecret]*wire.Blob{},
	}
}

// older reports whether a message is from a state that this node has left behind.
func (s *assignments) older(a *wire.Assignments) bool {
	return cmp.Or(cmp.Compare(a.Epoch, s.epoch), cmp.Compare(a.Version, s.version)) < 0
}

// assign applies a full set or a change to it.
func (m *Machine) assign(now time.Time, a *wire.Assignments) error {
	if err := m.takeObjects(a); err != nil {
		return err
	}
	newEpoch := m.set.version != 0 && a.Epoch > m.set.epoch
	m.set.raised = m.set.raised || newEpoch
	m.set.epoch, m.set.version = a.Epoch, a.Version
	named := map[model.ID]bool{}
	for _, wt := range a.Tasks {
		id, err := wire.ID(wt.Id)
		if err != nil {
			return fmt.Errorf("assigned task: %w", err)
		}
		named[id] = true
		m.assignTask(now, id, wt, a.SentAt, newEpoch)
	}
	for _, raw := range a.Removed {
		if id, err := wire.ID(raw); err == nil {
			m.unassign(id, false)
		}
	}
	if a.Full {
		for _, id := range m.ids() {
			if !named[id] {
				m.unassign(id, newEpoch)
			}
		}
		m.set.synced = true
		m.touchAll()
	}
	m.dropObjects(a)
	m.noteNetworks(a)
	return nil
}

// assignTask takes over what is wanted of a task. That only rises in an epoch: a manager that leads anew may not say at
// once what the one before it had said.
func (m *Machine) assignTask(now time.Time, id model.ID, wt *wire.Task, sentAt int64, newEpoch bool) {
	t := m.tasks[id]
	if t == nil {
		t = &task{id: id}
		m.tasks[id] = t
	}
	if t.assigned != nil && wt.Desired < t.assigned.Desired && !newEpoch {
		told := proto.CloneOf(wt)
		told.Desired = t.assigned.Desired
		wt = told
	}
	t.assigned, t.stranger, t.told = wt, false, true
	if len(wt.Volumes) > 0 {
		t.volumes = placedVolumes(wt.Volumes)
	}
	t.startAt = time.Time{}
	if wait := time.Duration(wt.NotBefore - sentAt); wt.NotBefore > 0 && wait > 0 {
		t.startAt = now.Add(wait) // by the manager's clock on both sides
	}
	if known := model.State(wt.State); known > t.state {
		t.state, t.begun = known, t.begun || known >= model.StateStarting
	} else if known < t.state {
		t.report = true
	}
	m.touch(id)
}

// unassign lets a task's container go, or leaves it alone when only another epoch knew it.
func (m *Machine) unassign(id model.ID, newEpoch bool) {
	t := m.tasks[id]
	if t == nil {
		return
	}
	maps.DeleteFunc(m.set.own, func(k ownSecret, _ *wire.Blob) bool { return k.task == id })
	t.assigned, t.report = nil, false
	t.stranger = t.stranger || newEpoch
	m.touch(id)
}

func (m *Machine) takeObjects(a *wire.Assignments) error {
	if a.Full {
		old := m.set
		m.set = newAssignments()
		m.set.epoch, m.set.version, m.set.synced, m.set.raised = old.epoch, old.version, old.synced, old.raised
		m.set.logDriver, m.set.policy = old.logDriver, old.policy
	}
	for _, r := range a.Revisions {
		doc, err := model.NewDoc[swarm.ServiceSpec](r.Spec)
		if err != nil {
			return fmt.Errorf("assigned revision: %w", err)
		}
		m.set.revisions[key(r.Id)] = &revision{msg: r, doc: doc}
	}
	for _, n := range a.Networks {
		m.set.networks[key(n.Id)] = n
	}
	for _, b := range a.Secrets {
		if len(b.TaskId) > 0 {
			m.set.own[ownSecret{key(b.TaskId), key(b.Id)}] = b
		} else {
			m.set.secrets[key(b.Id)] = b
		}
	}
	if a.Volumes != nil {
		m.volumes.Orders(a.Volumes.Orders)
	}
	if a.Full || len(a.Secrets) > 0 || a.Volumes != nil {
		m.endWaits()
	}
	for _, b := range a.Configs {
		m.set.configs[key(b.Id)] = b
	}
	if a.Defaults == nil {
		return nil
	}
	return m.takeDefaults(a.Defaults)
}

// takeDefaults takes over the settings of the cluster.
func (m *Machine) takeDefaults(d *wire.Defaults) error {
	m.set.logDriver, m.set.policy = nil, nil
	if len(d.LogDriver) > 0 {
		driver, err := model.NewDoc[swarm.Driver](d.LogDriver)
		if err != nil {
			return fmt.Errorf("the cluster's log driver: %w", err)
		}
		m.set.logDriver = driver.Get()
	}
	if len(d.Policy) > 0 {
		if err := json.Unmarshal(d.Policy, &m.set.policy); err != nil {
			return fmt.Errorf("the cluster's policy of privileges: %w", err)
		}
	}
	return nil
}

func (m *Machine) dropObjects(a *wire.Assignments) {
	for _, raw := range a.Dropped {
		id := key(raw)
		delete(m.set.revisions, id)
		delete(m.set.networks, id)
		delete(m.set.secrets, id)
		delete(m.set.configs, id)
		maps.DeleteFunc(m.set.own, func(k ownSecret, _ *wire.Blob) bool { return k.secret == id })
	}
}

// key reads an id that only has to match another one of the same message's kind.
func key(b []byte) (id model.ID) {
	copy(id[:], b)
	return id
}
