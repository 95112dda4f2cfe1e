package dispatcher

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// SecretAsk is a question to the driver that keeps a secret, on behalf of a task.
type SecretAsk struct {
	Session      SessionID
	Secret, Task model.ID
	NodeID       model.ID
	Slot         uint64
	Driver       *swarm.Driver
	Name         string // the secret's
	Labels       map[string]string
	ServiceID    model.ID
	Service      *swarm.ServiceSpec
}

// SecretAnswer is what a driver says. It is never stored.
type SecretAnswer struct {
	Value      []byte
	DoNotReuse bool // the value is for this task alone
	Err        error
}

// SecretDrivers asks the drivers that keep secrets.
type SecretDrivers interface {
	// Get begins to ask, and calls answer once, from a goroutine of its own, at the latest soon after ctx has ended.
	Get(ctx context.Context, ask SecretAsk, answer func(SecretAnswer))
}

// maxSecret is swarm's limit.
const maxSecret = 500 << 10

// provided is what a session has been told of a secret that a driver keeps.
type provided struct {
	shared  bool              // its value, for all tasks
	asking  bool              // on behalf of one task
	waiting []model.ID        // tasks for which it is asked when that answer is no good for them
	asked   map[model.ID]bool // tasks for which it was asked
}

// provide asks for those secrets of a task that drivers keep. One that was started has them.
func (m *Machine) provide(s *session, t *model.Task) {
	if t.Desired >= model.StateShutdown {
		return
	}
	if st := m.status(t.ID); st != nil && st.State >= model.StateStarting {
		return
	}
	rev := store.Revisions.ByID(m.view, t.Revision)
	if rev == nil || rev.Spec.Get().TaskTemplate.ContainerSpec == nil {
		return
	}
	for _, ref := range rev.Spec.Get().TaskTemplate.ContainerSpec.Secrets {
		if ref == nil {
			continue
		}
		id, err := model.ParseID(ref.SecretID)
		if err != nil {
			continue
		}
		if row := store.Secrets.ByID(m.view, id); row != nil && row.Spec.Get().Driver != nil {
			m.provideOne(s, row, t, rev.Spec.Get())
		}
	}
}

func (m *Machine) provideOne(s *session, row *model.Secret, t *model.Task, spec *swarm.ServiceSpec) {
	p := s.known.provided[row.ID]
	if p == nil {
		p = &provided{asked: map[model.ID]bool{}}
		s.known.provided[row.ID] = p
	}
	switch {
	case p.shared || p.asked[t.ID]:
	case p.asking:
		p.waiting = append(p.waiting, t.ID)
	default:
		p.asking, p.asked[t.ID] = true, true
		secret := row.Spec.Get()
		m.asks = append(m.asks, SecretAsk{
			Session: s.id, Secret: row.ID, Task: t.ID, NodeID: s.node, Slot: t.Slot, Driver: secret.Driver, Name: row.Name,
			Labels: secret.Labels, ServiceID: t.ServiceID, Service: spec,
		})
	}
}

// Asks are the questions to secret drivers since the last call.
func (m *Machine) Asks() []SecretAsk {
	asks := m.asks
	m.asks = nil
	return asks
}

// Provided takes a driver's answer and hands it to the node that needs it. A node that asks no more is no error.
func (m *Machine) Provided(ask SecretAsk, a SecretAnswer) {
	s := m.sessions[ask.Session]
	if s == nil || s.known.provided[ask.Secret] == nil {
		return
	}
	p := s.known.provided[ask.Secret]
	p.asking = false
	if n := len(a.Value); a.Err == nil && (n == 0 || n >= maxSecret) {
		a.Err = fmt.Errorf("secret data must be larger than 0 and less than %d bytes", maxSecret)
	}
	blob := &wire.Blob{Id: wire.Bytes(ask.Secret)}
	if row := store.Secrets.ByID(m.view, ask.Secret); row != nil {
		blob.Template = driverName(row.Spec.Get().Templating)
	}
	switch {
	case a.Err != nil:
		blob.TaskId, blob.Err = wire.Bytes(ask.Task), fmt.Sprintf("driver %s: %s", ask.Driver.Name, a.Err)
	case a.DoNotReuse:
		blob.TaskId, blob.Data = wire.Bytes(ask.Task), a.Value
	default:
		blob.Data, p.shared = a.Value, true
	}
	msg := &wire.Assignments{Version: m.view.Index(), Secrets: []*wire.Blob{blob}}
	if c := store.TheCluster(m.view); c != nil {
		msg.Epoch = c.Epoch
	}
	m.send(s, wire.FromAssignments(msg))
	waiting := p.waiting
	p.waiting = nil
	for _, id := range waiting {
		if t := store.Tasks.ByID(m.view, id); t != nil && s.known.tasks[id] != nil {
			m.provide(s, t)
		}
	}
}
