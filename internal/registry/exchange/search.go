package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// busyWait is how soon nodes that were busy are asked again.
	busyWait = 100 * time.Millisecond
	// patience is in how many rounds without a byte nodes are left alone that have given the blob already; after that it is
	// urgent.
	patience = 30
	// rounds bounds how often all nodes that have a blob are asked while none is at work on it.
	rounds = 5
)

// search is how one flight finds nodes that send its blob.
type search struct {
	e       *Exchange
	f       *flight
	known   *wire.RegistryBlob // what the managers said of it last
	mirror  string             // a mirrored repository, where a node can fetch it
	senders []sender           // of what has come
	wary    bool               // it is taken from one node alone, which has it whole: so what comes is that node's word
	urgent  bool
	failed  int  // rounds in a row in which nobody was at work on it
	busy    bool // in this round somebody had it, or was getting it, but could not give it
	last    error
}

type sender struct {
	node  model.ID
	whole bool // the managers say that it has all of it
}

// fetch brings a blob here from nodes that have it, or are getting it.
func (e *Exchange) fetch(ctx context.Context, f *flight, b *wire.RegistryBlob) error {
	s := &search{e: e, f: f, known: b, wary: e.isWary(f.digest)}
	if err := s.run(ctx); err != nil {
		f.writer.Abort()
		return err
	}
	return e.arrived(f, s.senders)
}

// run asks nodes one after the other, and goes on at another one where one breaks off, until all of the blob is here or nobody is
// at work on it any more.
func (s *search) run(ctx context.Context) error {
	for idle := 0; s.failed < rounds; {
		before := s.f.writer.Written()
		s.busy, s.urgent = false, idle >= patience
		if done, err := s.round(ctx); done || err != nil {
			return err
		}
		if s.mirror != "" && (s.urgent || s.f.direct.Load() && s.f.writer.Written() == 0) {
			return fmt.Errorf("blob %s: %w", s.f.digest, ErrBusy) // it is fetched from the other registry then
		}
		switch {
		case s.f.writer.Written() > before:
			idle, s.failed = 0, 0
		case s.busy: // they are at work: waiting helps
			idle, s.failed = idle+1, 0
		default:
			s.failed++
		}
		if err := s.e.Env.Pause(ctx, busyWait); err != nil {
			return err
		}
		if now, err := s.e.blob(ctx, s.f.digest); err == nil { // others may have it by now
			s.known = now
		}
	}
	if s.last == nil {
		return fmt.Errorf("blob %s: %w", s.f.digest, ErrAway)
	}
	return fmt.Errorf("no node gives blob %s: %w", s.f.digest, s.last)
}

// round asks each node once: those that have the blob, and whoever gets it from them. The last of those that have it, which gave it
// to another one first, is left alone while others are at work; that one of them does not answer at once, over a link that is full,
// does not mean that none is.
func (s *search) round(ctx context.Context) (done bool, err error) {
	asked := map[model.ID]bool{}
	if len(s.known.Holders) == 0 && s.mirror != "" && len(s.known.Others) > 0 {
		return s.ask(ctx, s.known.Others[0], false, asked) // the same for all, so that few ask the other registry
	}
	for i, one := range s.known.Holders {
		if i > 0 && i == len(s.known.Holders)-1 && (s.busy || s.failed == 0) && !s.urgent {
			break
		}
		if done, err := s.ask(ctx, one, true, asked); done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// ask takes what one node gives, or one of those to whom it gives the blob.
func (s *search) ask(ctx context.Context, one *wire.RegistryPeer, whole bool, asked map[model.ID]bool) (done bool, err error) {
	from, err := peerOf(one)
	if err != nil || asked[from.Node] || s.wary && !whole || s.e.isBad(from.Node, s.f.digest) {
		return false, nil //nolint:nilerr // another one is asked
	}
	asked[from.Node] = true
	had := s.f.writer.Written()
	err = s.read(ctx, from)
	if s.f.writer.Written() > had {
		s.senders = append(s.senders, sender{from.Node, whole})
	}
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil || errors.Is(err, blobs.ErrFull):
		return false, err
	case s.wary && s.f.writer.Written() > had:
		return false, fmt.Errorf("node %s broke off: %w", from.Node, err)
	case !errors.Is(err, ErrBusy):
		s.last = fmt.Errorf("node %s: %w", from.Node, err)
		return false, nil
	}
	s.busy = true
	var busy *BusyError
	if !errors.As(err, &busy) {
		return false, nil
	}
	for _, n := range busy.To {
		if next := s.peer(n); next != nil {
			if done, err := s.ask(ctx, next, false, asked); done || err != nil {
				return done, err
			}
		}
	}
	return false, nil
}

// peer is a node that the managers say is up and does not have the blob; nil: they do not.
func (s *search) peer(n model.ID) *wire.RegistryPeer {
	for _, one := range s.known.Others {
		if p, err := peerOf(one); err == nil && p.Node == n {
			return one
		}
	}
	return nil
}

// read takes what one node gives of the rest of the blob.
func (s *search) read(ctx context.Context, from Peer) error {
	return s.e.take(ctx, s.f, func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return s.e.Cluster.Fetch(ctx, from, Request{Blob: s.f.digest, Offset: offset, Urgent: s.urgent, Mirror: s.mirror})
	})
}

// take reads the rest of a flight's blob from somewhere.
func (e *Exchange) take(ctx context.Context, f *flight, open func(ctx context.Context, offset int64) (io.ReadCloser, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { e.watch(ctx, cancel, f) })
	r, err := open(ctx, f.writer.Written())
	if err != nil {
		return err
	}
	defer r.Close()
	// Its end is not waited for: who gives what it just gets comes to its own end only when it has it on its disk.
	if _, err := io.CopyN(progress{f}, r, f.size-f.writer.Written()); errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return nil
}

// arrived keeps a blob that is all here. If it is not what its digest says, the node that sent it is not asked for it again; where
// it cannot be told who that was, because several sent of it or one that was just getting it, the next time one node alone is
// asked, which has it whole.
func (e *Exchange) arrived(f *flight, senders []sender) error {
	err := f.writer.Commit()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !errors.Is(err, blobs.ErrDigest) {
		delete(e.wary, f.digest)
		return err
	}
	var nodes []model.ID
	told := true
	for _, s := range senders {
		nodes = append(nodes, s.node)
		told = told && s.whole && s.node == senders[0].node
	}
	if told && len(nodes) > 0 {
		e.bad[sent{nodes[0], f.digest}] = true
	} else {
		e.wary[f.digest] = true
	}
	return fmt.Errorf("nodes %v sent something else: %w", nodes, err)
}

func (e *Exchange) isBad(n model.ID, d model.Digest) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bad[sent{n, d}]
}

func (e *Exchange) isWary(d model.Digest) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.wary[d]
}
