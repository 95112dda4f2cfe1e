package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/skep-org/skep/internal/agent"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// dialRetry is how long the agent's next try waits for this node's manager to begin its term.
const dialRetry = 50 * time.Millisecond

// managers are where managers are reached, as far as this node knows.
func (m *member) managers() []remote.Manager {
	if p := m.manager(); p != nil {
		if list := p.managers(); len(list) > 0 {
			return list
		}
	}
	return slices.Clone(m.membership().Managers)
}

// heard keeps a newer list of managers, so that the node finds them after a restart.
func (m *member) heard(list []remote.Manager) {
	if len(list) == 0 {
		return
	}
	m.update(func() {
		if slices.Equal(m.ms.Managers, list) {
			return
		}
		m.ms.Managers = list
		if err := m.ms.save(m.dir()); err != nil {
			m.logger.Warn("the list of managers could not be kept", "err", err)
		}
	})
}

// told takes what the managers say of themselves and of this node.
func (m *member) told(p agent.Peers) {
	var list []remote.Manager
	for _, one := range p.Managers {
		list = append(list, remote.Manager{Node: one.Node, Addr: one.Addr, Leader: one.Leader})
	}
	m.heard(list)
	granted := model.RoleWorker
	if p.Manager {
		granted = model.RoleManager
	}
	m.update(func() { m.granted, m.welcomed = granted, true })
	m.keys.tell(p.Roots, p.Issuer)
	if granted != m.keys.role() {
		m.keys.renewNow()
	}
}

// renew gets a certificate from whichever manager answers.
func (m *member) renew(ctx context.Context, csr []byte) (*wire.RenewReply, error) {
	var errs []error
	for _, to := range m.managers() {
		reply, err := m.dialer.Renew(ctx, to, csr)
		if err == nil {
			return reply, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil, errors.New("this node knows no manager's address")
	}
	return nil, errors.Join(errs...)
}

// renewed makes connections use the new certificate, and the node what it says.
func (m *member) renewed() {
	m.dialer.Renewed()
	m.server.Recheck()
	m.agent.Certified(m.keys.Keys().TLSInfo())
	m.update(func() {})
}

// Dial implements [wire.Dialer]: the agent's manager is the one that leads, which may be in this process.
func (m *member) Dial(ctx context.Context) (wire.Session, error) {
	if m.membership().Manager {
		if s, err := m.dialHere(ctx); s != nil || err != nil {
			return s, err
		}
	}
	return m.sessions.Dial(ctx)
}

// dialHere opens a session with this node's own manager, once it is known who leads; nil when another one does.
func (m *member) dialHere(ctx context.Context) (wire.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	for {
		m.mu.Lock()
		p, changed := m.part, m.changed
		m.mu.Unlock()
		if p == nil {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return nil, fmt.Errorf("this node's manager has not started: %w", ctx.Err())
			}
		}
		if !p.entered(m.membership().AdvertiseAddr) {
			return nil, nil // it hears of no leader before it is a member
		}
		if err := p.manager.WaitLeader(ctx); err != nil {
			return nil, fmt.Errorf("the cluster has no leader yet: %w", err)
		}
		if !p.manager.Leading() {
			return nil, nil
		}
		s, err := p.manager.Connect(m.membership().Node, m.host())
		if !errors.Is(err, store.ErrNotLeader) {
			return s, err
		}
		timer, stop := m.env.NewTimer(dialRetry) // the term is about to begin
		select {
		case <-timer:
		case <-ctx.Done():
			stop()
			return nil, ctx.Err()
		}
	}
}
