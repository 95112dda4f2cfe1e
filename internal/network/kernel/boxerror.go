package kernel

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skep-org/skep/internal/network"
)

// BoxError says what failed in some containers while everything else was done. What runs in a container may have the
// right to change its own network namespace, and whatever it makes of it is its own affair.
type BoxError struct {
	Boxes []string // their keys, in order
	Err   error
}

func (e *BoxError) Error() string {
	return fmt.Sprintf("the network of container %s: %s", strings.Join(e.Boxes, ", "), e.Err)
}

func (e *BoxError) Unwrap() error { return e.Err }

func (t *tally) boxError() *BoxError {
	if len(t.boxes) == 0 {
		return nil
	}
	e := &BoxError{Boxes: slices.Sorted(maps.Keys(t.boxes))}
	errs := make([]error, len(e.Boxes))
	for i, key := range e.Boxes {
		errs[i] = t.boxes[key]
	}
	e.Err = errors.Join(errs...)
	return e
}

// trusted is what was read, without the tables of containers where something failed: whatever shows of those, they are
// made anew, in one transaction that takes away all that somebody else put there.
func (k *Kernel) trusted(have *network.Desired) *network.Desired {
	for key := range k.distrusted {
		delete(have.Boxes, key)
	}
	return have
}
