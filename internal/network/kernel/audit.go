package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/vishvananda/netlink"
)

// ErrChanging says that the kernel was changed while it was read for an audit. Changes go before audits: come again.
var ErrChanging = errors.New("the networks were changed while they were read")

const (
	// auditTries is how often one audit reads the kernel beside who changes it.
	auditTries = 2
	// auditsMissed is how many audits in a row may come to nothing; the next one has who changes the kernel wait.
	auditsMissed = 10
)

// Audit reads the kernel anew and says where it differs from what is wanted. The next Sync goes by what was read, and so
// repairs it. Nobody waits for the reading, unless the kernel is changed so often that there was no time in between for
// long.
func (k *Kernel) Audit(ctx context.Context, want *network.Desired) ([]network.Drift, error) {
	for range auditTries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		drifts, valid, err := k.auditAside(want)
		if valid || err != nil {
			return drifts, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.missed++; k.missed <= auditsMissed {
		return nil, ErrChanging
	}
	k.missed = 0
	have, err := k.read(want)
	if err != nil {
		return nil, fmt.Errorf("reading what the kernel holds: %w", err)
	}
	return k.judge(want, have), nil
}

// auditAside reads with sockets of its own, while others may change the kernel. What it read is valid if none did.
func (k *Kernel) auditAside(want *network.Desired) (drifts []network.Drift, valid bool, err error) {
	k.mu.Lock()
	round := k.round
	k.mu.Unlock()
	aside, err := New(Options{Log: k.log, Dir: k.dir, Host: k.hostPath, Iptables: k.iptables, Wireguard: k.wireguard})
	if err != nil {
		return nil, false, err
	}
	have, err := aside.read(want)
	err = errors.Join(err, aside.Close())
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading what the kernel holds: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.round != round {
		return nil, false, nil
	}
	k.missed = 0
	return k.judge(want, have), true, nil
}

// judge compares what was read with what is wanted.
func (k *Kernel) judge(want, have *network.Desired) []network.Drift {
	have = k.trusted(have)
	ops := slices.DeleteFunc(network.Diff(want, have), func(op network.Op) bool {
		_, waiting := k.attached[op.Name]
		return waiting && op.Kind == network.KindPort && op.Act == network.Remove
	})
	drifts := network.Drifts(ops)
	if len(drifts) > 0 {
		k.have = have
	}
	return drifts
}

// readings is how often the kernel is read anew when it says that something changed while it was read.
const readings = 5

// read reads all that skep has in the kernel.
func (k *Kernel) read(want *network.Desired) (have *network.Desired, err error) {
	for range readings {
		if have, err = k.readOnce(want); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return have, err
}

func (k *Kernel) readOnce(want *network.Desired) (*network.Desired, error) {
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
	if err := k.readLeft(have); err != nil {
		return nil, err
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
		if err != nil { // what runs in it may keep it from being read
			box = &network.Box{Key: key, Broken: true}
		}
		if box != nil {
			have.Boxes[key] = box
		}
	}
	if have.Encryption, err = k.readCipher(); err != nil {
		return nil, err
	}
	have.Host, err = k.readHost(want.Host)
	return have, err
}

// readLeft reads the way to other nodes of an ingress network that is none any more: it holds its number. Which network
// it was of does not show.
func (k *Kernel) readLeft(have *network.Desired) error {
	for _, s := range have.Segments {
		if s.Ingress {
			return nil
		}
	}
	l, err := k.host.link(network.IngressLink)
	if err != nil || l == nil {
		return err
	}
	left := model.ID{0xFF}
	have.Segments[left] = &network.Segment{Network: left, Ingress: true, Namespace: true, VXLAN: network.VXLAN{MTU: l.Attrs().MTU}}
	return nil
}

func (k *Kernel) readBoxAt(key string) (*network.Box, error) {
	s, err := openForRules(key)
	if err != nil {
		return nil, nil //nolint:nilerr // not there yet, or not any more
	}
	defer k.closeLater(s)
	return s.readBox(key)
}
