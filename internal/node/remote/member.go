package remote

import (
	"context"
	"errors"
	"sync"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/skep-org/skep/internal/wire"
)

// What may wait for one member. What does not fit is lost, as raft expects of a network.
const (
	queueMessages = 1024
	queueBytes    = 32 << 20
	frameBytes    = 1 << 20 // beyond that a frame takes no further message
)

// member is another manager as the transport sees it.
type member struct {
	transport *Transport
	id        uint64

	mu    sync.Mutex
	queue []*pb.Message
	bytes int
	lost  bool // messages were lost, and raft has not been told
	wake  chan struct{}

	snapshot     *pb.Message // to be sent
	stopSnapshot context.CancelFunc
	snapWake     chan struct{}
}

// put never waits.
func (m *member) put(msg *pb.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if msg.GetType() == pb.MsgSnap {
		m.putSnapshot(msg)
		return
	}
	size := proto.Size(msg)
	if len(m.queue) >= queueMessages || m.bytes+size > queueBytes {
		m.lost = true
	} else {
		m.queue = append(m.queue, msg)
		m.bytes += size
	}
	poke(m.wake)
}

// take returns what one frame may carry, and whether something was lost before.
func (m *member) take() (msgs []*pb.Message, lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, size := 0, 0
	for n < len(m.queue) && size < frameBytes {
		size += proto.Size(m.queue[n])
		n++
	}
	msgs, m.queue = m.queue[:n:n], m.queue[n:]
	m.bytes -= size
	if len(m.queue) == 0 {
		m.queue = nil
	}
	lost, m.lost = m.lost, false
	return msgs, lost
}

// drop loses what waits.
func (m *member) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queue, m.bytes, m.lost = nil, 0, false
}

// loop holds a stream to the member while there is something to say.
func (m *member) loop(r *running) {
	for reached := true; ; {
		select {
		case <-r.ctx.Done():
			return
		case <-m.wake:
		}
		err := m.talk(r)
		if r.ctx.Err() != nil {
			return
		}
		if err == nil {
			reached = true
			poke(m.wake) // another stream takes over
			continue
		}
		if reached {
			m.transport.cfg.Logger.Info("another manager cannot be reached", "member", m.id, "err", err)
		}
		reached = false
		m.drop()
		if r.replica.Unreachable(r.ctx, m.id) != nil {
			return // the replica has stopped
		}
	}
}

var errNotKnown = errors.New("no address of this member is known yet")

// talk sends what there is on one stream, until the stream breaks or another one is due.
func (m *member) talk(r *running) error {
	t := m.transport
	to, ok := t.where(m.id)
	if !ok {
		return errNotKnown
	}
	l, err := t.cfg.Dialer.ready(r.ctx, to)
	if err != nil {
		return err
	}
	defer l.release()
	ctx, cancel := l.bound(r.ctx)
	defer cancel()
	stream, err := wire.NewGroupClient(l.cc).Step(ctx)
	if err != nil {
		return t.cfg.Dialer.meaning(to, err)
	}
	over := make(chan error, 1)
	go func() { over <- stream.RecvMsg(&wire.RaftDone{}) }()
	first := true
	for {
		if now, ok := t.where(m.id); !ok || now != to {
			return nil
		}
		msgs, lost := m.take()
		if lost && r.replica.Unreachable(r.ctx, m.id) != nil {
			return r.ctx.Err()
		}
		if len(msgs) > 0 {
			if err := stream.Send(t.frame(msgs, first)); err != nil {
				return m.ended(ctx, r, to, <-over)
			}
			first = false
			continue
		}
		select {
		case <-m.wake:
		case err := <-over:
			return m.ended(ctx, r, to, err)
		}
	}
}

// ended is why a stream is over; nil when another one is to take over, since a certificate was renewed.
func (m *member) ended(ctx context.Context, r *running, to Manager, err error) error {
	if ctx.Err() != nil && r.ctx.Err() == nil {
		return nil
	}
	return m.transport.cfg.Dialer.meaning(to, err)
}

// frame encodes messages. A message that cannot be encoded is lost.
func (t *Transport) frame(msgs []*pb.Message, first bool) *wire.RaftMessages {
	f := &wire.RaftMessages{}
	if first {
		f.ClusterId, f.From, f.Addr = wire.Bytes(t.cfg.Cluster), t.cfg.ID, t.cfg.Addr
	}
	for _, msg := range msgs {
		raw, err := proto.Marshal(msg)
		if err != nil {
			t.cfg.Logger.Error("a raft message cannot be encoded", "type", msg.GetType(), "err", err)
			continue
		}
		f.Messages = append(f.Messages, raw)
	}
	return f
}
