package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// ErrBusy is answered by a node that gives a blob to as many others as it may, or has nothing of it yet that the asker has not.
var ErrBusy = errors.New("the node gives that blob to others just now")

// BusyError is ErrBusy of a node that says who gets the blob from it: they give it on as it comes.
type BusyError struct{ To []model.ID }

func (e *BusyError) Error() string { return ErrBusy.Error() }

// Unwrap makes it ErrBusy.
func (e *BusyError) Unwrap() error { return ErrBusy }

// ErrAway is returned for a blob that the cluster has, on nodes none of which is up.
var ErrAway = errors.New("no node that has it is up")

// Request asks a node for a blob.
type Request struct {
	Blob   model.Digest
	Offset int64
	// Urgent says that no node has sent anything of it for a while: the one asked gives it to more nodes than otherwise.
	Urgent bool
	// Mirror names a mirrored repository that has the blob: the node asked fetches it there, if it has it not.
	Mirror string
}

// Peer is another node whose registry can be asked.
type Peer struct {
	Node model.ID
	Addr string
}

// Cluster is the rest of the cluster, as this node reaches it.
type Cluster interface {
	// Look asks the managers; store.ErrNotFound: there is no such thing.
	Look(context.Context, *wire.RegistryQuery) (*wire.RegistryAnswer, error)
	// Record has the managers write down a change.
	Record(context.Context, *wire.RegistryChange) error
	// Fetch reads a blob of another node: blobs.ErrNotFound, ErrBusy, perhaps a [BusyError].
	Fetch(context.Context, Peer, Request) (io.ReadCloser, error)
	// Give has another node keep a blob.
	Give(ctx context.Context, to Peer, d model.Digest, size int64, body io.Reader) error
}

// Options are what an [Exchange] is made of.
type Options struct {
	Cluster Cluster
	Dir     *blobs.Dir
	Copies  int // how many nodes are to have a blob
	// Stall is how long a node that is to send a blob may send nothing before another one is asked; 0: half a minute.
	Stall time.Duration
	// Upstream has a blob of a mirrored repository come here, by its name, for another node; nil: there are none.
	Upstream func(ctx context.Context, mirror string, d model.Digest) error
	Env      env.Env
	Logger   *slog.Logger
}

const defaultStall = 30 * time.Second

// Exchange is a node's part in sharing blobs. Its methods may be called from anywhere.
type Exchange struct {
	Options
	life context.Context //nolint:containedctx // of what outlives the request that began it
	end  context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex
	flights map[model.Digest]*flight
	giving  map[model.Digest][]model.ID    // who gets what of this node
	spreads map[model.Digest]chan struct{} // blobs that are being given to who is to keep them; closed when that is done
	bad     map[sent]bool                  // what came of it was not that blob
	wary    map[model.Digest]bool          // something else came, and it is not known of whom
	closed  bool
}

type sent struct {
	by   model.ID
	blob model.Digest
}

// New makes an exchange that has to be closed.
func New(o Options) *Exchange {
	life, end := context.WithCancel(context.Background())
	o.Stall = cmp.Or(o.Stall, defaultStall)
	return &Exchange{Options: o, life: life, end: end,
		flights: map[model.Digest]*flight{}, giving: map[model.Digest][]model.ID{}, spreads: map[model.Digest]chan struct{}{}, bad: map[sent]bool{}, wary: map[model.Digest]bool{}}
}

// Flying counts the blobs on their way here.
func (e *Exchange) Flying() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.flights)
}

// Close ends all that goes on.
func (e *Exchange) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.end()
	e.wg.Wait()
}

// Stat tells how long a blob of the cluster is; store.ErrNotFound, ErrAway.
func (e *Exchange) Stat(ctx context.Context, d model.Digest) (int64, error) {
	if size, ok := e.coming(d); ok {
		return size, nil
	}
	b, err := e.blob(ctx, d)
	if err != nil {
		return 0, err
	}
	if b.Copies == 0 {
		return 0, fmt.Errorf("blob %s: %w", d, store.ErrNotFound)
	}
	if len(b.Holders) == 0 {
		if _, err := e.Dir.Size(d); err != nil {
			return 0, fmt.Errorf("blob %s: %w", d, ErrAway)
		}
	}
	return int64(b.Size), nil
}

func (e *Exchange) blob(ctx context.Context, d model.Digest) (*wire.RegistryBlob, error) {
	a, err := e.Cluster.Look(ctx, &wire.RegistryQuery{What: wire.RegistryQuery_BLOB, Digest: d[:]})
	if err != nil {
		return nil, err
	}
	if len(a.Blobs) != 1 {
		return nil, errors.New("a manager's answer about a blob cannot be read")
	}
	return a.Blobs[0], nil
}

// Keep makes a blob that is in the directory one that the cluster keeps.
func (e *Exchange) Keep(ctx context.Context, d model.Digest) error {
	if err := e.Dir.Touch(d, e.Env.Now()); err != nil {
		return err
	}
	size, err := e.Dir.Size(d)
	if err != nil {
		return err
	}
	done, err := e.alone(ctx, d)
	if err != nil {
		return err
	}
	defer done()
	b, err := e.blob(ctx, d)
	if err != nil {
		return err
	}
	// This node is the first of the holders, so that it is the last to be asked by others.
	if err := e.hold(ctx, d, size); err != nil {
		return err
	}
	return e.spread(ctx, b, d, size)
}

// hold tells the managers that this node has a blob.
func (e *Exchange) hold(ctx context.Context, d model.Digest, size int64) error {
	err := e.Cluster.Record(ctx, &wire.RegistryChange{What: &wire.RegistryChange_Hold{Hold: &wire.RegistryHold{
		Blobs: []*wire.RegistryBlob{{Digest: d[:], Size: uint64(size)}},
	}}})
	if err != nil {
		return fmt.Errorf("tell the cluster that this node has blob %s: %w", d, err)
	}
	return nil
}

func peerOf(p *wire.RegistryPeer) (Peer, error) {
	node, err := wire.ID(p.GetNodeId())
	return Peer{Node: node, Addr: p.GetAddr()}, err
}

// Take keeps a blob that another node gives. It returns when the managers know.
func (e *Exchange) Take(ctx context.Context, d model.Digest, size int64, body io.Reader) error {
	// One that is here already may just be about to be removed, because no image needed it.
	// Then nothing of the body is read.
	if err := e.Dir.Touch(d, e.Env.Now()); err != nil {
		if err := e.Dir.Put(d, size, body); err != nil {
			return err
		}
	}
	return e.hold(ctx, d, size)
}
