package remote

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/skep-org/skep/internal/manager/authority"
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/wire"
)

// refusals pairs errors with their names on the wire. The first that fits is sent; the first of a name
// is what the other side gets.
func refusals() []refusal {
	return []refusal{
		{store.ErrConflict, wire.Refusal_CONFLICT},
		{exchange.ErrBusy, wire.Refusal_CROWDED},
		{store.ErrExists, wire.Refusal_EXISTS},
		{store.ErrNotFound, wire.Refusal_NOT_FOUND},
		{blobs.ErrNotFound, wire.Refusal_NOT_FOUND},
		{store.ErrInUse, wire.Refusal_IN_USE},
		{store.ErrTooLarge, wire.Refusal_TOO_LARGE},
		{raft.ErrTooLarge, wire.Refusal_TOO_LARGE},
		{store.ErrUnknownOutcome, wire.Refusal_UNKNOWN_OUTCOME},
		{store.ErrNotLeader, wire.Refusal_NOT_LEADER},
		{raft.ErrNotLeader, wire.Refusal_NOT_LEADER},
		{raft.ErrStopped, wire.Refusal_NOT_LEADER},
		{store.ErrWriter, wire.Refusal_FOREIGN_TABLE},
		{raft.ErrBusy, wire.Refusal_BUSY},
		{raft.ErrChangePending, wire.Refusal_BUSY},
		{roles.ErrQuorum, wire.Refusal_QUORUM},
		{roles.ErrLastManager, wire.Refusal_QUORUM},
		{roles.ErrLeftBehind, wire.Refusal_LEFT_BEHIND},
		{dispatcher.ErrNotConnected, wire.Refusal_NOT_CONNECTED},
		{authority.ErrRemoved, wire.Refusal_REMOVED},
		{authority.ErrRefused, wire.Refusal_REFUSED},
	}
}

type refusal struct {
	err  error
	name wire.Refusal
}

func refusalOf(err error) wire.Refusal {
	for _, r := range refusals() {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	return wire.Refusal_NONE
}

func sentinel(name wire.Refusal) error {
	for _, r := range refusals() {
		if r.name == name {
			return r.err
		}
	}
	return nil
}

// refusedReply tells the outcome of a batch that was not written.
func refusedReply(err error) *wire.ProposeReply {
	r := &wire.ProposeReply{Refusal: refusalOf(err), Text: err.Error()}
	if r.Refusal == wire.Refusal_NONE && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		r.Refusal = wire.Refusal_UNKNOWN_OUTCOME // it was proposed, and nobody waited any longer
	}
	var u *store.UniqueError
	if errors.As(err, &u) {
		key := append([]byte{}, u.Key.A[:]...)
		r.Unique = &wire.Unique{Table: uint32(u.Table), Index: u.Index, Key: append(key, u.Key.B[:]...)}
	}
	return r
}

// refusedError is the other direction.
func refusedError(r *wire.ProposeReply) error {
	is := sentinel(r.Refusal)
	if u := r.Unique; u != nil && is == store.ErrExists && len(u.Key) == 32 { //nolint:errorlint // sentinel returns it bare
		e := &store.UniqueError{Table: store.TableID(u.Table), Index: u.Index,
			Key: model.Key{A: model.ID(u.Key[:16]), B: model.ID(u.Key[16:])}}
		return &answered{r.Text, e}
	}
	return &answered{r.Text, is}
}

// fault is an error as a node answers it.
func fault(code codes.Code, text string, why wire.Refusal, nodes ...model.ID) error {
	f := &wire.Fault{Refusal: why}
	for _, n := range nodes {
		f.Nodes = append(f.Nodes, wire.Bytes(n))
	}
	st, err := status.New(code, text).WithDetails(f)
	if err != nil { // only of a message that cannot be encoded
		return status.Error(code, text)
	}
	return st.Err()
}

// faultOf is a handler's error as a node answers it.
func faultOf(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	why, code := refusalOf(err), codes.Unknown
	switch {
	case why != wire.Refusal_NONE:
		code = codes.FailedPrecondition
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	}
	var busy *exchange.BusyError
	if errors.As(err, &busy) {
		return fault(code, err.Error(), why, busy.To...)
	}
	return fault(code, err.Error(), why)
}

// answer is the error a node answered with; ok is false when the error is not an answer but the connection's.
func answer(err error) (e *answered, ok bool) {
	st, isStatus := status.FromError(err)
	if !isStatus {
		return nil, false
	}
	for _, d := range st.Details() {
		f, isFault := d.(*wire.Fault)
		if !isFault {
			continue
		}
		e := &answered{text: st.Message(), is: sentinel(f.Refusal)}
		if f.Refusal == wire.Refusal_CROWDED {
			e.is = crowded(f)
		}
		switch st.Code() {
		case codes.PermissionDenied, codes.Unauthenticated:
			e.is = errors.Join(ErrForbidden, e.is)
		case codes.Unavailable:
			e.is = ErrNotManager
			if f.Refusal == wire.Refusal_BUSY {
				e.is = ErrStarting
			}
		case codes.ResourceExhausted:
			e.is = ErrTooMany
		case codes.DeadlineExceeded:
			e.is = context.DeadlineExceeded
		}
		return e, true
	}
	return nil, false
}

// crowded is why a node does not give a blob: others get it, as far as it says.
func crowded(f *wire.Fault) error {
	e := &exchange.BusyError{}
	for _, b := range f.Nodes {
		if n, err := wire.ID(b); err == nil {
			e.To = append(e.To, n)
		}
	}
	return e
}
