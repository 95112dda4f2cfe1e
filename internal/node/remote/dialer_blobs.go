package remote

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// LookRegistry asks a manager about the cluster's registry.
func (d *Dialer) LookRegistry(ctx context.Context, to Manager, q *wire.RegistryQuery) (reply *wire.RegistryAnswer, err error) {
	err = d.call(ctx, to, func(cc *grpc.ClientConn) error {
		reply, err = wire.NewRegistryClient(cc).Look(ctx, q)
		return err
	})
	return reply, err
}

// RecordRegistry has a manager write down a change of the cluster's registry.
func (d *Dialer) RecordRegistry(ctx context.Context, to Manager, c *wire.RegistryChange) error {
	return d.call(ctx, to, func(cc *grpc.ClientConn) error {
		_, err := wire.NewRegistryClient(cc).Record(ctx, c)
		return err
	})
}

// FetchBlob reads a blob of another node, whatever its role, over a connection of its own: blobs are large, and what managers
// say to each other does not wait for them. The reader has to be closed.
func (d *Dialer) FetchBlob(ctx context.Context, from exchange.Peer, r exchange.Request) (io.ReadCloser, error) {
	to := Manager{Node: from.Node, Addr: from.Addr}
	l, err := d.toNode(ctx, to)
	if err != nil {
		return nil, err
	}
	ctx, cancel := l.bound(ctx)
	end := func() { cancel(); l.release(); d.end(l) }
	stream, err := wire.NewBlobsClient(l.cc).Fetch(ctx, &wire.BlobRequest{Digest: r.Blob[:], Offset: uint64(r.Offset), Urgent: r.Urgent, Mirror: r.Mirror})
	var first *wire.BlobPart
	if err == nil {
		first, err = stream.Recv() // says whether there is anything to come
	}
	if err != nil && !errors.Is(err, io.EOF) {
		end()
		err = d.meaning(to, err)
		if errors.Is(err, store.ErrNotFound) {
			err = fmt.Errorf("%w: %w", blobs.ErrNotFound, err)
		}
		return nil, err
	}
	next := func() (*wire.BlobPart, error) {
		m, err := stream.Recv()
		if err != nil && !errors.Is(err, io.EOF) {
			err = d.meaning(to, err)
		}
		return m, err
	}
	return &fetched{parts: parts{next: next, rest: first.GetData()}, end: end}, nil
}

// fetched is a blob on its way here.
type fetched struct {
	parts
	end func()
}

func (f *fetched) Close() error {
	f.end()
	return nil
}

// GiveBlob has another node keep a blob.
func (d *Dialer) GiveBlob(ctx context.Context, peer exchange.Peer, blob model.Digest, size int64, body io.Reader) error {
	to := Manager{Node: peer.Node, Addr: peer.Addr}
	l, err := d.toNode(ctx, to)
	if err != nil {
		return err
	}
	ctx, cancel := l.bound(ctx)
	defer func() { cancel(); l.release(); d.end(l) }()
	stream, err := wire.NewBlobsClient(l.cc).Keep(ctx)
	if err == nil {
		err = stream.Send(&wire.BlobPart{Digest: blob[:], Size: uint64(size)})
	}
	if err == nil {
		err = sendBlob(body, stream.Send)
	}
	if err == nil || errors.Is(err, io.EOF) { // the other end's reason comes with the answer
		_, err = stream.CloseAndRecv()
	}
	return d.meaning(to, err)
}

// toNode returns a connection of its own to a node of any role: release is due, and end after it.
func (d *Dialer) toNode(ctx context.Context, to Manager) (*link, error) {
	if to.Node.IsZero() {
		return nil, fmt.Errorf("%w: it is not known which node is at %s", ErrUnreachable, to.Addr)
	}
	return d.aloneAs(ctx, to, nodeTLS)
}
