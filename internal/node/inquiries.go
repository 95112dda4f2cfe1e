package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/node/remote"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// mostAnswer bounds what a node may make a manager keep.
	mostAnswer = 16 << 20
	// mostInquiries bounds the questions whose answers are waited for.
	mostInquiries = 1024
)

// inquiries are what this manager has asked nodes and has no answer to yet.
type inquiries struct {
	mu   sync.Mutex
	open map[model.ID]*inquiry
}

// inquiry is a question to one node.
type inquiry struct {
	node   model.ID
	answer chan reply // of room for the one that comes
}

type reply struct {
	data []byte
	err  error
}

// inquire asks a node's agent by way of the manager that leads, and waits for the answer.
func (p *part) inquire(ctx context.Context, ms membership, node model.ID, what string) ([]byte, error) {
	id, q := model.ID(p.env.NewID()), &inquiry{node: node, answer: make(chan reply, 1)}
	return p.await(ctx, id, q, func() error {
		return p.ask(ctx, node, wire.FromQuestion(&wire.Question{
			StreamId: wire.Bytes(id), AttachNode: wire.Bytes(ms.Node), AttachAddr: ms.AdvertiseAddr, What: what,
		}))
	})
}

// await has a question asked and waits for its answer.
func (p *part) await(ctx context.Context, id model.ID, q *inquiry, ask func() error) ([]byte, error) {
	if !p.inquiries.add(id, q) {
		return nil, fmt.Errorf("this manager waits for %d answers of nodes already", mostInquiries)
	}
	defer p.inquiries.drop(id)
	if err := ask(); err != nil {
		return nil, err
	}
	select {
	case r := <-q.answer:
		return r.data, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("it was asked and did not answer: %w", ctx.Err())
	}
}

func (i *inquiries) add(id model.ID, q *inquiry) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.open) >= mostInquiries {
		return false
	}
	if i.open == nil {
		i.open = map[model.ID]*inquiry{}
	}
	i.open[id] = q
	return true
}

func (i *inquiries) drop(id model.ID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.open, id)
}

// take finds the question that a node answers; each is answered once.
func (i *inquiries) take(node, id model.ID) *inquiry {
	i.mu.Lock()
	defer i.mu.Unlock()
	q := i.open[id]
	if q == nil || q.node != node {
		return nil
	}
	delete(i.open, id)
	return q
}

// relay takes other nodes' output and answers in. It implements [remote.Relay].
type relay struct{ *part }

var _ remote.Relay = relay{}

func (r relay) Attach(ctx context.Context, peer identity.Peer, stream model.ID, frames remote.Frames) error {
	if q := r.inquiries.take(peer.Node, stream); q != nil {
		data, err := collect(frames)
		q.answer <- reply{data, err}
		return nil
	}
	return r.desk.Attach(ctx, peer.Node, stream, frames)
}

// collect reads an answer to its end.
func collect(frames remote.Frames) (data []byte, err error) {
	for {
		f, err := frames.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("its answer broke off: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, fmt.Errorf("its answer broke off: %w", err)
		case f.Error != "":
			return nil, errors.New(f.Error)
		case len(data)+len(f.Data) > mostAnswer:
			return nil, fmt.Errorf("its answer is longer than %d bytes", mostAnswer)
		}
		data = append(data, f.Data...)
		if f.End {
			return data, nil
		}
	}
}
