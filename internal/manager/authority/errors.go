package authority

import (
	"errors"
	"fmt"
)

// ErrRefused marks an answer that asking again will not change: the request itself is at fault.
var ErrRefused = errors.New("refused")

// ErrRemoved marks the refusal of a node that was removed from the cluster: it has no more part in it.
var ErrRemoved = errors.New("the node was removed from the cluster")

// errNoCluster is said by a manager that has just been made and has heard nothing of its cluster.
var errNoCluster = errors.New("this manager does not have the cluster's state yet; try again shortly")

// refusal is a sentence for whoever asked.
type refusal struct {
	text string
	is   error // besides ErrRefused; may be nil
}

func refuse(format string, args ...any) error { return &refusal{text: fmt.Sprintf(format, args...)} }

func (r *refusal) Error() string { return r.text }

// Is makes errors.Is(err, ErrRefused) true.
func (r *refusal) Is(target error) bool { return target == ErrRefused }

func (r *refusal) Unwrap() error { return r.is }
