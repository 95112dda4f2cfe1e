package remote

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// Output is a stream of frames to the manager that asked for them. Send belongs to one goroutine.
type Output struct {
	to     Manager
	dialer *Dialer
	stream grpc.BidiStreamingClient[wire.RelayFrame, wire.RelayCredit]
	ctx    context.Context //nolint:containedctx // the stream's
	end    func()
	credit chan uint32
	over   chan error // holds why the stream ended
	may    uint32
}

// Attach opens a stream of output under the id that the manager gave it. It ends with ctx, and has to be closed.
func (d *Dialer) Attach(ctx context.Context, to Manager, id model.ID) (*Output, error) {
	l, err := d.alone(ctx, to)
	if err != nil {
		return nil, err
	}
	ctx, cancel := l.bound(ctx)
	o := &Output{to: to, dialer: d, ctx: ctx, credit: make(chan uint32), over: make(chan error, 1)}
	o.end = func() { cancel(); l.release(); d.end(l) }
	if o.stream, err = wire.NewRelayClient(l.cc).Attach(ctx); err == nil {
		if err = o.stream.Send(&wire.RelayFrame{StreamId: wire.Bytes(id)}); errors.Is(err, io.EOF) {
			_, err = o.stream.Recv() // says why
		}
	}
	if err != nil {
		o.end()
		return nil, d.meaning(to, err)
	}
	go o.credits()
	return o, nil
}

func (o *Output) credits() {
	for {
		c, err := o.stream.Recv()
		if err != nil {
			o.over <- err
			return
		}
		select {
		case o.credit <- c.Frames:
		case <-o.ctx.Done():
			o.over <- o.ctx.Err()
			return
		}
	}
}

// Send sends a frame when the reader has room for it. io.EOF means that it wants no more.
func (o *Output) Send(f *wire.RelayFrame) error {
	for {
		select {
		case n := <-o.credit:
			o.may += n
			continue
		case err := <-o.over:
			return o.why(err)
		default:
		}
		if o.may > 0 {
			break
		}
		select {
		case n := <-o.credit:
			o.may += n
		case err := <-o.over:
			return o.why(err)
		}
	}
	o.may--
	if err := o.stream.Send(f); err != nil {
		return o.why(<-o.over)
	}
	return nil
}

// Close ends the stream. After the last frame it waits until the reader has taken them all.
func (o *Output) Close() error {
	defer o.end()
	err := o.stream.CloseSend()
	for err == nil {
		select {
		case <-o.credit:
		case over := <-o.over:
			err = o.why(over)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// why keeps the reason for whoever asks again.
func (o *Output) why(err error) error {
	o.over <- err
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return o.dialer.meaning(o.to, err)
}
