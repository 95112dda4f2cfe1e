package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/skep-org/skep/internal/executor"
)

// failed says what could not be done.
func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// verdict is the error of preparing or starting a task. What is the task's own fault stands in its status as it is: the
// reason comes first there, since `docker service ps` shows the beginning only.
func verdict(what string, err error) error {
	if errors.Is(err, executor.ErrUnavailable) || errors.Is(err, executor.ErrNoContainer) {
		return failed(what, err)
	}
	return err
}

// called takes the error of a call to the engine and marks it as [executor.ErrUnavailable] when the engine's answer is
// not known rather than no.
func called(err error) error {
	if err == nil || errors.Is(err, executor.ErrUnavailable) {
		return err
	}
	if unavailable(err) {
		return fmt.Errorf("%w: %w", executor.ErrUnavailable, words{err})
	}
	return words{err}
}

// words is an engine's error without what the client puts before it: who says it is plain in a task's status, and
// `docker service ps` shows the beginning only.
type words struct{ error }

func (w words) Error() string {
	return strings.ReplaceAll(w.error.Error(), "Error response from daemon: ", "")
}

func (w words) Unwrap() error { return w.error }

// unavailable reports whether the engine gave no verdict: it was not reached, broke off, or is just starting or ending.
func unavailable(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || cerrdefs.IsUnavailable(err) {
		return true
	}
	if !answer(err) {
		return true
	}
	// The engine's words when its containerd does not answer.
	s := err.Error()
	return strings.Contains(s, "code = Unavailable") || strings.Contains(s, "connection error: desc")
}

// answer reports whether the error is an answer of the engine's: the client gives each of those one of these classes,
// and none to what happened on the way.
func answer(err error) bool {
	return cerrdefs.IsNotFound(err) || cerrdefs.IsInvalidArgument(err) || cerrdefs.IsConflict(err) ||
		cerrdefs.IsInternal(err) || cerrdefs.IsPermissionDenied(err) || cerrdefs.IsUnauthorized(err) ||
		cerrdefs.IsNotImplemented(err) || cerrdefs.IsUnknown(err) || cerrdefs.IsNotModified(err) ||
		cerrdefs.IsFailedPrecondition(err) || cerrdefs.IsResourceExhausted(err) || cerrdefs.IsOutOfRange(err) ||
		cerrdefs.IsAlreadyExists(err) || cerrdefs.IsDataLoss(err) || cerrdefs.IsAborted(err)
}
