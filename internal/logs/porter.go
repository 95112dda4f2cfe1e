package logs

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

const (
	// mostServed bounds the streams a node sends at a time; who asks for more is told nothing and says so to its user.
	mostServed = 64
	// mostAsked bounds the requests that wait to be taken up.
	mostAsked = 256
)

// Porter carries a node's output to the managers that ask for it. Open and Close are an agent's callbacks.
type Porter struct {
	cfg  PorterConfig
	asks chan portersAsk
}

// PorterConfig is what a [Porter] is made of.
type PorterConfig struct {
	Executor executor.Executor
	Clock    env.Clock
	Log      *slog.Logger
	// Dial opens a stream to a manager under the id that it gave it. The stream ends with ctx.
	Dial func(ctx context.Context, node model.ID, addr string, stream model.ID) (Sink, error)
}

// portersAsk is a request; one without a message asks for an end.
type portersAsk struct {
	stream model.ID
	open   *wire.OpenLogs
}

// NewPorter makes a porter; nothing is carried before Run.
func NewPorter(cfg PorterConfig) *Porter {
	return &Porter{cfg: cfg, asks: make(chan portersAsk, mostAsked)}
}

// Open asks for output. It never waits.
func (p *Porter) Open(req *wire.OpenLogs) {
	stream, err := wire.ID(req.StreamId)
	if err != nil {
		p.cfg.Log.Warn("a manager's request for logs makes no sense", "err", err)
		return
	}
	p.put(portersAsk{stream, req})
}

// Close ends a stream. It never waits.
func (p *Porter) Close(stream model.ID) { p.put(portersAsk{stream: stream}) }

func (p *Porter) put(a portersAsk) {
	select {
	case p.asks <- a:
	default:
		p.cfg.Log.Warn("too many requests for logs; one is left aside", "stream", a.stream)
	}
}

// Run carries until ctx ends.
func (p *Porter) Run(ctx context.Context) error {
	var carried sync.WaitGroup
	defer carried.Wait()
	running := map[model.ID]context.CancelFunc{}
	over := make(chan model.ID)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case stream := <-over:
			running[stream]()
			delete(running, stream)
		case a := <-p.asks:
			if a.open == nil {
				if cancel := running[a.stream]; cancel != nil {
					cancel()
				}
				continue
			}
			if running[a.stream] != nil || len(running) >= mostServed {
				p.cfg.Log.Warn("too many streams of logs; one more is refused", "stream", a.stream)
				continue
			}
			sctx, cancel := context.WithCancel(ctx)
			running[a.stream] = cancel
			carried.Go(func() {
				p.carry(sctx, a)
				cancel()
				select {
				case over <- a.stream:
				case <-ctx.Done():
				}
			})
		}
	}
}

func (p *Porter) carry(ctx context.Context, a portersAsk) {
	node, err := wire.ID(a.open.AttachNode)
	if err != nil {
		p.cfg.Log.Warn("a manager's request for logs makes no sense", "err", err)
		return
	}
	sink, err := p.cfg.Dial(ctx, node, a.open.AttachAddr, a.stream)
	if err != nil {
		p.cfg.Log.Info("a manager that asked for logs cannot be reached", "addr", a.open.AttachAddr, "err", err)
		return
	}
	err = Serve(ctx, p.cfg.Executor, p.cfg.Clock, a.open, sink)
	if cerr := sink.Close(); err == nil {
		err = cerr
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		p.cfg.Log.Info("a stream of logs to a manager was cut off", "addr", a.open.AttachAddr, "err", err)
	}
}
