package remote

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/wire"
)

// blobPart is how much of a blob goes in one message.
const blobPart = 256 << 10

// registryService is Registry on the wire.
type registryService struct {
	wire.UnimplementedRegistryServer
}

func (registryService) Look(ctx context.Context, req *wire.RegistryQuery) (*wire.RegistryAnswer, error) {
	c := callerOf(ctx)
	a, err := c.handlers.Registry.Look(ctx, c.peer.Node, req)
	return a, faultOf(err)
}

func (registryService) Record(ctx context.Context, req *wire.RegistryChange) (*wire.RegistryDone, error) {
	c := callerOf(ctx)
	if err := c.handlers.Registry.Record(ctx, c.peer.Node, req); err != nil {
		return nil, faultOf(err)
	}
	return &wire.RegistryDone{}, nil
}

// blobsService is Blobs on the wire.
type blobsService struct {
	wire.UnimplementedBlobsServer
}

func (blobsService) Fetch(req *wire.BlobRequest, stream grpc.ServerStreamingServer[wire.BlobPart]) error {
	d, ok := digestOf(req.Digest)
	if !ok || int64(req.Offset) < 0 {
		return malformed("the blob asked for has no digest, or no such place")
	}
	c := callerOf(stream.Context())
	blob, err := c.handlers.Blobs.Serve(stream.Context(), c.peer.Node, exchange.Request{Blob: d, Offset: int64(req.Offset), Urgent: req.Urgent, Mirror: req.Mirror})
	if err != nil {
		return faultOf(err)
	}
	defer blob.Close()
	return faultOf(sendBlob(blob, stream.Send))
}

func (blobsService) Keep(stream grpc.ClientStreamingServer[wire.BlobPart, wire.BlobKept]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	d, ok := digestOf(first.Digest)
	if !ok {
		return malformed("the blob that is given has no digest")
	}
	body := &parts{next: stream.Recv, rest: first.Data}
	if err := callerOf(stream.Context()).handlers.Blobs.Take(stream.Context(), d, int64(first.Size), body); err != nil {
		return faultOf(err)
	}
	return stream.SendAndClose(&wire.BlobKept{})
}

func digestOf(b []byte) (d model.Digest, ok bool) {
	if len(b) != len(d) {
		return d, false
	}
	return model.Digest(b), true
}

// sendBlob sends all of r. A message is encoded when it was sent, so its buffer is used again.
func sendBlob(r io.Reader, send func(*wire.BlobPart) error) error {
	buf := make([]byte, blobPart)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if err := send(&wire.BlobPart{Data: buf[:n]}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// parts reads the data of messages. It belongs to one goroutine.
type parts struct {
	next func() (*wire.BlobPart, error)
	rest []byte
}

func (p *parts) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		m, err := p.next()
		if err != nil {
			return 0, err
		}
		p.rest = m.Data
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
