package kernel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"golang.org/x/sync/errgroup"
)

// Sync makes the kernel hold what is wanted. It goes by what it applied before; by what it reads, the first time and after
// a failure or an [Kernel.Audit]. If its error is [ErrNotYet], all is done but what belongs into containers whose
// namespaces do not exist yet; if it is a [BoxError], all but what belongs into the containers it names.
func (k *Kernel) Sync(ctx context.Context, want *network.Desired) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if k.have == nil {
		if err := k.removePassing(); err != nil {
			return err
		}
		have, err := k.read(want)
		if err != nil {
			return fmt.Errorf("reading what the kernel holds: %w", err)
		}
		k.have = k.trusted(have)
		k.forwards = k.forwards || have.Host.Sysctls[forwarding] == "1"
	}
	return k.apply(want)
}

// apply does what makes the difference, and notes what then is there.
func (k *Kernel) apply(want *network.Desired) error {
	t := &tally{lost: map[place]struct{}{}, boxes: map[string]error{}}
	ops := network.Diff(want, k.have)
	if len(ops) > 0 {
		k.round++
	}
	before, boxes, after := split(ops)
	k.inTurn(t, before)
	k.inBoxes(t, boxes)
	k.inTurn(t, after)
	for _, op := range ops {
		if op.Kind != network.KindFlows {
			k.changed++
		}
	}
	k.have = t.applied(want)
	k.watchDevices(want)
	k.settle(want, t)
	switch boxes := t.boxError(); {
	case len(t.errs) > 0 && boxes != nil:
		return errors.Join(append(t.errs, boxes.Err)...)
	case boxes != nil:
		return boxes
	case len(t.errs) == 0 && t.waiting != "":
		return fmt.Errorf("container %s: %w", t.waiting, ErrNotYet)
	}
	return errors.Join(t.errs...)
}

// split tells apart what comes before the first operation in a container, all of those by container, and what is left.
func split(ops []network.Op) (before []network.Op, boxes map[string][]network.Op, after []network.Op) {
	boxes = map[string][]network.Op{}
	for _, op := range ops {
		switch {
		case op.Box != "":
			boxes[op.Box] = append(boxes[op.Box], op)
		case len(boxes) == 0:
			before = append(before, op)
		default:
			after = append(after, op)
		}
	}
	return before, boxes, after
}

// inTurn does operations in the host and in networks, one after the other.
func (k *Kernel) inTurn(t *tally, ops []network.Op) {
	for i := 0; i < len(ops); {
		n := sameRun(ops[i:])
		at := placeOf(ops[i])
		if _, lost := t.lost[at]; !lost {
			t.note(at, k.run(ops[i:i+n]))
		}
		i += n
	}
}

// workers is in how many containers rules are changed at a time: the kernel does so for several namespaces at once.
const workers = 4

// inBoxes does operations in containers.
func (k *Kernel) inBoxes(t *tally, boxes map[string][]network.Op) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(workers)
	for key, ops := range boxes {
		group.Go(func() error {
			err := k.boxOps(key, ops)
			mu.Lock()
			defer mu.Unlock()
			t.note(place{box: key}, err)
			return nil
		})
	}
	_ = group.Wait()
}

// place is a namespace in which things are done: a network's, a container's, or the host's.
type place struct {
	network model.ID
	box     string
	cipher  bool // the encryption's
}

func placeOf(op network.Op) place {
	return place{network: op.Network, box: op.Box, cipher: op.Cipher}
}

// tally is how it went.
type tally struct {
	lost    map[place]struct{} // where something failed: it is to be read anew
	errs    []error
	boxes   map[string]error // of containers, by their keys
	unsure  bool             // something of a container's is not in a network as it should be: all is to be read anew
	waiting string           // a container that has no namespace yet
}

func (t *tally) note(at place, err error) {
	of, apart := errors.AsType[*BoxError](err)
	switch {
	case err == nil:
		return
	case at.box != "" && errors.Is(err, ErrNotYet):
		t.waiting = at.box
	case at.box != "":
		t.boxes[at.box] = errors.Join(t.boxes[at.box], err)
	case apart:
		for _, key := range of.Boxes {
			t.boxes[key] = errors.Join(t.boxes[key], of.Err)
		}
		t.unsure = true
		return // the network itself is well
	default:
		t.errs = append(t.errs, err)
	}
	t.lost[at] = struct{}{}
}

// applied is what is there after all: what was wanted, but for places where something failed. Those are unknown, and a
// container's is taken for empty.
func (t *tally) applied(want *network.Desired) *network.Desired {
	if t.unsure {
		return nil
	}
	if len(t.lost) == 0 {
		return want
	}
	boxesOnly := !slices.ContainsFunc(slices.Collect(maps.Keys(t.lost)), func(p place) bool { return p.box == "" })
	if !boxesOnly {
		return nil
	}
	next := *want
	next.Boxes = map[string]*network.Box{}
	for key, b := range want.Boxes {
		if _, lost := t.lost[place{box: key}]; !lost {
			next.Boxes[key] = b
		}
	}
	return &next
}

// settle notes which containers are ready and which links are spoken for.
func (k *Kernel) settle(want *network.Desired, t *tally) {
	clear(k.ready)
	for key := range want.Boxes {
		if !IsNamespace(key) {
			t.waiting = key
		} else if _, lost := t.lost[place{box: key}]; !lost && t.boxes[key] == nil {
			k.ready[key] = struct{}{}
		}
	}
	for key := range k.distrusted {
		if _, ready := k.ready[key]; ready || want.Boxes[key] == nil {
			delete(k.distrusted, key)
		}
	}
	for key, err := range t.boxes {
		if _, known := k.distrusted[key]; !known {
			k.log.Warn("the network of a container is not as it should be; it is made anew", "container", key, "err", err)
		}
		k.distrusted[key] = struct{}{}
	}
	for _, s := range want.Segments {
		for name := range s.Ports {
			delete(k.attached, name)
		}
	}
}

// sameRun is how many operations from the first on are for one place and go together.
func sameRun(ops []network.Op) int {
	n, first := 1, ops[0]
	for n < len(ops) && ops[n].Network == first.Network && ops[n].Cipher == first.Cipher && (ops[n].Kind == network.KindFlows) == (first.Kind == network.KindFlows) {
		n++
	}
	return n
}

// run does operations in one place.
func (k *Kernel) run(ops []network.Op) error {
	switch op := ops[0]; {
	case op.Cipher:
		return k.cipherOps(ops)
	case op.Kind == network.KindFlows:
		k.forget(k.host, ops)
		return nil
	case !op.Network.IsZero():
		return k.segmentOps(ops)
	}
	return k.hostOps(ops)
}
