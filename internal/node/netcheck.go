package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network/check"
	"github.com/skep-org/skep/internal/node/remote"
)

// questionNetCheck has a node check its networks.
const questionNetCheck = "net-check"

var _ api.NetChecker = (*cluster)(nil)

// CheckNet implements [api.NetChecker].
func (c *cluster) CheckNet(ctx context.Context, node model.ID) (check.Report, error) {
	m := c.current()
	if m == nil {
		return check.Report{}, errNoMember
	}
	ms := m.membership()
	if node == ms.Node {
		return m.overlays.check(ctx)
	}
	p := m.manager()
	if p == nil {
		return check.Report{}, errors.New("this node is no manager: other nodes are checked from a manager")
	}
	data, err := p.inquire(ctx, ms, node, questionNetCheck)
	if err != nil {
		return check.Report{}, err
	}
	var r check.Report
	if err := json.Unmarshal(data, &r); err != nil {
		return check.Report{}, fmt.Errorf("its answer cannot be read: %w", err)
	}
	return r, nil
}

// newRespondent makes what answers managers' questions to this node.
func (m *member) newRespondent() *respondent {
	return newRespondent(m.logger,
		func(ctx context.Context, manager model.ID, addr string, stream model.ID) (sink, error) {
			return m.dialer.Attach(ctx, remote.Manager{Node: manager, Addr: addr}, stream)
		},
		map[string]func(context.Context) ([]byte, error){
			questionNetCheck: func(ctx context.Context) ([]byte, error) {
				r, err := m.overlays.check(ctx)
				if err != nil {
					return nil, err
				}
				return json.Marshal(r)
			},
		})
}

// check compares this node's networks with what they should be, and probes the other nodes.
func (o *overlays) check(ctx context.Context) (check.Report, error) {
	o.mu.Lock()
	r, refusal := o.running, o.why()
	o.mu.Unlock()
	switch {
	case r == nil && refusal != nil:
		return check.Report{}, fmt.Errorf("this node has no overlay networks: %w", refusal)
	case r == nil:
		return check.Report{}, errNoMember
	}
	found, err := r.plane.Check(ctx)
	if err != nil {
		return check.Report{}, err
	}
	report, err := r.checker.Reach(ctx)
	if err != nil {
		return check.Report{}, err
	}
	report.Findings = append(found, report.Findings...)
	return report, nil
}
