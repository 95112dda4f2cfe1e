package kernel

import (
	"context"
	"fmt"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
)

// Audit reads the kernel anew and says where it differs from what is wanted. The next Sync goes by what was read, and so
// repairs it.
func (k *Kernel) Audit(ctx context.Context, want *network.Desired) ([]network.Drift, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	have, err := k.read(want)
	if err != nil {
		return nil, fmt.Errorf("reading what the kernel holds: %w", err)
	}
	ops := network.Diff(want, have)
	ops = slices.DeleteFunc(ops, func(op network.Op) bool {
		_, waiting := k.attached[op.Name]
		return waiting && op.Kind == network.KindPort && op.Act == network.Remove
	})
	drifts := network.Drifts(ops)
	if len(drifts) > 0 {
		k.have = have
	}
	return drifts, nil
}

// read reads all that skep has in the kernel.
func (k *Kernel) read(want *network.Desired) (*network.Desired, error) {
	have := &network.Desired{Segments: map[model.ID]*network.Segment{}, Boxes: map[string]*network.Box{}}
	ids, err := k.namespaces()
	if err != nil {
		return nil, err
	}
	for id, s := range want.Segments {
		if !s.Ingress && !slices.Contains(ids, id) {
			ids = append(ids, id) // one that is held has lost its file
		}
		if s.Ingress {
			if have.Segments[id], err = k.readSegment(id, true); err != nil {
				return nil, err
			}
		}
	}
	for _, id := range ids {
		s, err := k.readSegment(id, false)
		if err != nil {
			return nil, err
		}
		if s != nil {
			have.Segments[id] = s
		}
	}
	for key, b := range want.Boxes {
		if len(b.Tables) == 0 {
			continue
		}
		box, err := k.readBoxAt(key)
		if err != nil {
			return nil, err
		}
		if box != nil {
			have.Boxes[key] = box
		}
	}
	have.Host, err = k.readHost(want.Host)
	return have, err
}

func (k *Kernel) readBoxAt(key string) (*network.Box, error) {
	s, err := openForRules(key)
	if err != nil {
		return nil, nil //nolint:nilerr // not there yet, or not any more
	}
	defer k.closeLater(s)
	return s.readBox(key)
}
