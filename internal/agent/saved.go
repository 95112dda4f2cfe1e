package agent

import (
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/wire"
	"google.golang.org/protobuf/proto"
)

// save gives out what an agent that starts anew is to know though no manager answers. Secrets, configs and registry
// credentials are left out: a manager has to send them again.
func (m *Machine) save(now time.Time, out *Output) {
	if m.saveAt.IsZero() || m.saveAt.After(now) {
		return
	}
	m.saveAt, m.saved = time.Time{}, now
	a := &wire.Assignments{Full: true, Epoch: m.set.epoch, Version: m.set.version}
	s := &wire.Saved{Assignments: a}
	for _, id := range m.ids() {
		t := m.tasks[id]
		if t.stranger {
			s.Strangers = append(s.Strangers, wire.Bytes(id))
		}
		if t.assigned == nil {
			continue
		}
		a.Tasks = append(a.Tasks, &wire.Task{
			Id: t.assigned.Id, ServiceId: t.assigned.ServiceId, RevisionId: t.assigned.RevisionId, Slot: t.assigned.Slot,
			Desired: t.assigned.Desired, NotBefore: t.assigned.NotBefore, State: uint32(t.state),
			Ports: t.assigned.Ports, Networks: t.assigned.Networks, Generic: t.assigned.Generic,
			Volumes: t.assigned.Volumes,
		})
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
	if err != nil {
		panic("agent: what is to be saved cannot be encoded: " + err.Error())
	}
	out.Save = b
}

// restore takes what an earlier agent saved. Its tasks are adopted, but nothing is removed for it.
func (m *Machine) restore(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	s := &wire.Saved{}
	if err := proto.Unmarshal(b, s); err != nil {
		return fmt.Errorf("read the assignments saved by an earlier agent: %w", err)
	}
	if s.Assignments == nil {
		return nil
	}
	m.set.epoch, m.set.version = s.Assignments.Epoch, s.Assignments.Version
	for _, wt := range s.Assignments.Tasks {
		if id, err := wire.ID(wt.Id); err == nil {
			m.assignTask(time.Time{}, id, wt, 0, false)
		}
	}
	for _, raw := range s.Strangers {
		if id, err := wire.ID(raw); err == nil {
			m.tasks[id] = &task{id: id, stranger: true}
		}
	}
	return nil
}
