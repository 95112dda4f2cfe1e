package dispatcher

import (
	"context"
	"errors"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// ErrNotConnected is returned for a node whose agent has no session with this manager.
var ErrNotConnected = errors.New("the node's agent is not connected")

// Ask sends a node's agent a message that does not come from the tables. Whether it arrives is not told.
func (m *Machine) Ask(nodeID model.ID, msg *wire.ManagerMessage) error {
	n := m.nodes[nodeID]
	if n == nil || n.session == nil {
		return ErrNotConnected
	}
	m.send(n.session, msg)
	return nil
}

// asking is a question of another goroutine; answered once.
type asking struct {
	node   model.ID
	msg    *wire.ManagerMessage
	answer chan error // has room for the answer
}

// Ask is [Machine.Ask] from any goroutine; after the server's end it returns store.ErrNotLeader.
func (s *Server) Ask(ctx context.Context, nodeID model.ID, msg *wire.ManagerMessage) error {
	a := &asking{node: nodeID, msg: msg, answer: make(chan error, 1)}
	if !s.put(input{ask: a}) {
		return store.ErrNotLeader
	}
	select {
	case err := <-a.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
