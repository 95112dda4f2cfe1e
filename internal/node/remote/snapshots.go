package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/skep-org/skep/internal/wire"
)

const (
	snapshotChunk = 256 << 10
	// snapshotStall is how long a member may take for one chunk, or to make the whole durable at the end.
	snapshotStall = time.Minute
)

// putSnapshot takes a snapshot in place of the one that is on its way: raft asks for another only when it has given up
// the one before, and is told of the newest alone. m.mu is held.
func (m *member) putSnapshot(msg *pb.Message) {
	m.snapshot = msg
	if m.stopSnapshot != nil {
		m.stopSnapshot()
	}
	poke(m.snapWake)
}

// snapshots sends one snapshot after the other. What became of each is told: raft sends nothing else to a member before
// it has heard.
func (m *member) snapshots(r *running) {
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-m.snapWake:
		}
		ctx, cancel := context.WithCancel(r.ctx)
		m.mu.Lock()
		msg := m.snapshot
		m.snapshot, m.stopSnapshot = nil, cancel
		m.mu.Unlock()
		if msg == nil {
			cancel()
			continue
		}
		began := time.Now()
		err := m.sendSnapshot(ctx, msg)
		cancel()
		m.mu.Lock()
		m.stopSnapshot = nil
		superseded := m.snapshot != nil
		m.mu.Unlock()
		if superseded {
			continue
		}
		log := m.transport.cfg.Logger.With("member", m.id, "index", msg.GetSnapshot().GetMetadata().GetIndex())
		if err != nil {
			log.Warn("a snapshot did not reach another manager", "err", err)
		} else {
			log.Info("a snapshot was sent to another manager", "took", time.Since(began))
		}
		if r.replica.SnapshotSent(r.ctx, m.id, err == nil) != nil {
			return // the replica has stopped
		}
	}
}

func (m *member) sendSnapshot(ctx context.Context, msg *pb.Message) (err error) {
	t := m.transport
	to, ok := t.where(m.id)
	if !ok {
		return errNotKnown
	}
	raw, err := proto.Marshal(msg)
	if err != nil {
		return err
	}
	body, err := m.openSnapshot(msg)
	if err != nil {
		return err
	}
	defer body.Close()
	l, err := t.cfg.Dialer.ready(ctx, to)
	if err != nil {
		return err
	}
	defer l.release()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(snapshotStall, func() { cancel(fmt.Errorf("the manager at %s took in nothing for %v", to.Addr, snapshotStall)) })
	defer stall.Stop()
	stream, err := wire.NewGroupClient(l.cc).Snapshot(ctx)
	if err != nil {
		return t.cfg.Dialer.meaning(to, err)
	}
	chunk := &wire.SnapshotChunk{ClusterId: wire.Bytes(t.cfg.Cluster), Message: raw}
	buf := make([]byte, snapshotChunk)
	for end := false; !end; {
		n, err := io.ReadFull(body, buf)
		end = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return fmt.Errorf("read the snapshot: %w", err)
		}
		chunk.Data = buf[:n]
		if err := stream.Send(chunk); errors.Is(err, io.EOF) {
			break // the answer says why
		} else if err != nil {
			return t.cfg.Dialer.meaning(to, err)
		}
		chunk = &wire.SnapshotChunk{}
		stall.Reset(snapshotStall)
	}
	if _, err = stream.CloseAndRecv(); err != nil && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return t.cfg.Dialer.meaning(to, err)
}

func (m *member) openSnapshot(msg *pb.Message) (io.ReadCloser, error) {
	t := m.transport
	t.mu.Lock()
	r := t.run
	t.mu.Unlock()
	if r == nil {
		return nil, context.Canceled
	}
	return r.replica.OpenSnapshot(msg)
}
