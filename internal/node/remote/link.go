package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/store"
)

// link is a connection to a manager. It stands for the certificates it was made with, so it is retired when they
// change: streams on it end, calls on it are finished.
type link struct {
	cc    *grpc.ClientConn
	to    Manager
	note  *note
	clock env.Clock

	mu      sync.Mutex
	users   int
	isOver  bool
	retired chan struct{} // closed when no new call may be made on it
}

func (l *link) acquire() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isOver {
		return false
	}
	l.users++
	return true
}

func (l *link) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users == 0 && l.isOver {
		_ = l.cc.Close()
	}
}

func (l *link) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isOver {
		return
	}
	l.isOver = true
	close(l.retired)
	if l.users == 0 {
		_ = l.cc.Close()
	}
}

// outdated: the other end's certificate has ended since the handshake.
func (l *link) outdated(now time.Time) bool {
	notAfter, _ := l.note.get()
	return !notAfter.IsZero() && now.After(notAfter)
}

// bound is the context of a stream on the link: it ends when the link is retired or the other end's certificate ends.
func (l *link) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	notAfter, _ := l.note.get()
	c, stop := l.clock.NewTimer(notAfter.Sub(l.clock.Now()))
	go func() {
		defer stop()
		defer cancel()
		select {
		case <-ctx.Done():
		case <-l.retired:
		case <-c:
		}
	}()
	return ctx, cancel
}

// stand waits until the connection stands, or its first failure.
func (l *link) stand(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	for {
		state := l.cc.GetState()
		switch state {
		case connectivity.Ready:
			return nil
		case connectivity.TransientFailure, connectivity.Shutdown:
			return l.unreachable(nil)
		case connectivity.Idle:
			l.cc.Connect()
		}
		if !l.cc.WaitForStateChange(ctx, state) {
			return l.unreachable(ctx.Err())
		}
	}
}

func (l *link) unreachable(cause error) error {
	_, failure := l.note.get()
	return unreachable(l.to, failure, l.clock.Now(), cause)
}

// unreachable says that nothing was sent, and why if that is known.
func unreachable(to Manager, handshake error, now time.Time, cause error) error {
	where := fmt.Errorf("%w at %s", ErrUnreachable, to.Addr)
	if words := inWords(handshake, now); words != nil {
		return fmt.Errorf("%w: %w", where, words)
	}
	if handshake != nil {
		return fmt.Errorf("%w: %w", where, handshake)
	}
	if cause != nil {
		return fmt.Errorf("%w: %w", where, cause)
	}
	return where
}

// broken tells of a call that was sent and not answered.
func broken(to Manager, err error) error {
	why := err
	if st, ok := status.FromError(err); ok {
		why = errors.New(st.Message())
		switch st.Code() {
		case codes.Canceled:
			why = context.Canceled
		case codes.DeadlineExceeded:
			why = context.DeadlineExceeded
		}
	}
	return fmt.Errorf("the manager at %s did not answer what it was sent: %w: %w", to.Addr, store.ErrUnknownOutcome, why)
}
