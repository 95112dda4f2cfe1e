package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// attachWait is how long a node that was asked may take to begin.
	attachWait = 5 * time.Second
	// closeWait bounds telling a node that nobody reads any more; it notices by itself too.
	closeWait = 2 * time.Second
	// mostAwaited bounds the streams that this manager has asked for.
	mostAwaited = 1024
)

// ErrNoStream is returned to a node that attaches what it was not asked for, or what nobody waits for any more.
var ErrNoStream = errors.New("nobody here has asked this node for that stream of logs")

// Frames are what a node sends; io.EOF follows the last one.
type Frames interface {
	Next() (*wire.RelayFrame, error)
}

// Desk is where nodes hand in the output that this manager has asked for. It implements [Relayer].
type Desk struct {
	cfg DeskConfig

	mu      sync.Mutex
	awaited map[model.ID]*delivery
}

// DeskConfig is what a [Desk] is made of.
type DeskConfig struct {
	Node model.ID      // this manager's
	Addr func() string // where it is reached
	Env  env.Env
	// Ask sends a node's agent a message by way of the manager that leads.
	Ask func(ctx context.Context, node model.ID, msg *wire.ManagerMessage) error
}

// NewDesk makes a desk.
func NewDesk(cfg DeskConfig) *Desk { return &Desk{cfg: cfg, awaited: map[model.ID]*delivery{}} }

// delivery is one stream that was asked for. It implements [Stream].
type delivery struct {
	desk     *Desk
	id, node model.ID
	taken    bool          // under the desk's mu: a node has attached it
	attached chan struct{} // closed by then
	messages chan Message  // closed when nothing more comes; err says why
	err      error
	closed   chan struct{} // closed when nobody reads any more
	once     sync.Once
}

// Open implements [Relayer].
func (d *Desk) Open(ctx context.Context, node model.ID, tasks []model.ID, opts Options) (Stream, error) {
	dl := &delivery{
		desk: d, id: d.cfg.Env.NewID(), node: node,
		attached: make(chan struct{}), messages: make(chan Message), closed: make(chan struct{}),
	}
	if !d.await(dl) {
		return nil, fmt.Errorf("this manager follows %d streams of logs already", mostAwaited)
	}
	req := requestOf(dl.id, tasks, opts)
	req.AttachNode, req.AttachAddr = wire.Bytes(d.cfg.Node), d.cfg.Addr()
	if err := d.cfg.Ask(ctx, node, wire.FromOpenLogs(req)); err != nil {
		return nil, errors.Join(err, dl.Close())
	}
	late, stop := d.cfg.Env.NewTimer(attachWait)
	defer stop()
	select {
	case <-dl.attached:
		return dl, nil
	case <-late:
		return nil, errors.Join(fmt.Errorf("it did not answer within %s", attachWait), dl.Close())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), dl.Close())
	}
}

func (d *Desk) await(dl *delivery) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.awaited) >= mostAwaited {
		return false
	}
	d.awaited[dl.id] = dl
	return true
}

// take finds the stream that a node attaches; each is attached once.
func (d *Desk) take(from, stream model.ID) *delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	dl := d.awaited[stream]
	if dl == nil || dl.node != from || dl.taken {
		return nil
	}
	dl.taken = true
	return dl
}

// Attach takes a node's output in until it ends or nobody reads any more. from is the node as its certificate says.
// The node sends as fast as Next is called.
func (d *Desk) Attach(ctx context.Context, from, stream model.ID, frames Frames) error {
	dl := d.take(from, stream)
	if dl == nil {
		return ErrNoStream
	}
	close(dl.attached)
	ended := make(chan struct{})
	go func() { // it ends with the stream, which ends when this method returns, or with its reader
		defer close(ended)
		dl.receive(frames)
	}()
	select {
	case <-ended:
		return nil
	case <-dl.closed:
		d.tellClosed(ctx, dl)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tellClosed spares the node reading what nobody wants; that it arrives is not needed.
func (d *Desk) tellClosed(ctx context.Context, dl *delivery) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late, stop := d.cfg.Env.NewTimer(closeWait)
	defer stop()
	go func() {
		select {
		case <-late:
			cancel()
		case <-ctx.Done():
		}
	}()
	_ = d.cfg.Ask(ctx, dl.node, wire.FromCloseLogs(&wire.CloseLogs{StreamId: wire.Bytes(dl.id)})) // see closeWait
}

// receive hands frames to the reader; a slow one holds the node back.
func (dl *delivery) receive(frames Frames) {
	defer close(dl.messages)
	for {
		f, err := frames.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // it did not say that this was all
			}
			dl.err = fmt.Errorf("the connection was lost: %w", err)
			return
		}
		switch {
		case f.End:
			dl.err = io.EOF
			return
		case f.Line == nil:
			continue // it shows that the node is there
		}
		m, err := messageOf(f)
		if err != nil {
			dl.err = err
			return
		}
		select {
		case dl.messages <- m:
		case <-dl.closed:
			dl.err = io.ErrClosedPipe
			return
		}
	}
}

// Next implements [Stream].
func (dl *delivery) Next(ctx context.Context) (Message, error) {
	select {
	case m, ok := <-dl.messages:
		if !ok {
			return Message{}, dl.err
		}
		return m, nil
	case <-ctx.Done():
		return Message{}, ctx.Err()
	}
}

// Close implements [Stream].
func (dl *delivery) Close() error {
	dl.once.Do(func() {
		close(dl.closed)
		dl.desk.mu.Lock()
		delete(dl.desk.awaited, dl.id)
		dl.desk.mu.Unlock()
	})
	return nil
}
