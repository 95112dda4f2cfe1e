package remote

import (
	"errors"
	"fmt"
)

// What a call can meet beside the answer of whoever was called.
var (
	// ErrUnreachable: nothing was sent.
	ErrUnreachable = errors.New("the manager cannot be reached")
	// ErrForbidden: this node may not do that, or is not a node of the cluster any more.
	ErrForbidden = errors.New("the manager refused the call")
	// ErrNotManager: the node that was asked does not do that now.
	ErrNotManager = errors.New("the node is not a manager")
	// ErrStarting: it is a manager and does not do that yet. It is an ErrNotManager.
	ErrStarting = fmt.Errorf("%w just yet", ErrNotManager)
	// ErrTooMany: a limit was reached; trying again later helps.
	ErrTooMany = errors.New("too many requests")
	// ErrTokenDigest: whoever answered is not the cluster that made the token.
	ErrTokenDigest = errors.New("the join token is not of this cluster, or the cluster's root certificate has been replaced since it was printed: get a new one with docker swarm join-token")
)

// answered is an error in the words of the node that was called.
type answered struct {
	text string
	is   error // may be nil
}

func (e *answered) Error() string { return e.text }
func (e *answered) Unwrap() error { return e.is }
