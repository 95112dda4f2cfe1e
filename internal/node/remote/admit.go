package remote

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/skep-org/skep/internal/wire"
)

// unary lets a call through that may be made.
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	c, err := s.identify(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	if c.rule.anybody {
		if err := s.gate.enter(addressKey(c.addr)); err != nil {
			return nil, err
		}
		defer s.gate.leave()
	}
	if err := s.check(c); err != nil {
		return nil, err
	}
	// A unary call that was begun is finished, even if it is what takes its caller's right to make it.
	resp, err := handler(context.WithValue(ctx, callerKey{}, c), req)
	return resp, faultOf(err)
}

// stream lets a stream through that may be opened, and ends it when it may not go on.
func (s *Server) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	c, err := s.identify(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(context.WithValue(stream.Context(), callerKey{}, c))
	defer end(nil)
	o := &openCall{caller: c, end: end}
	// On the list first: what changes from here on ends it.
	s.calls.add(o)
	defer s.calls.drop(o)
	if err := s.check(c); err != nil {
		return err
	}
	if s.handlers.Load() != c.handlers {
		return errRestarted()
	}
	done := make(chan error, 1)
	s.wg.Go(func() { done <- handler(srv, &admitted{stream, ctx}) })
	select {
	case err := <-done:
		return faultOf(err)
	case <-ctx.Done():
		// Returning ends the stream, which ends whatever the handler waits for on it.
		return faultOf(context.Cause(ctx))
	}
}

// admitted is a stream with the caller in its context.
type admitted struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // as gRPC has it
}

func (a *admitted) Context() context.Context { return a.ctx }

func errRestarted() error {
	return fault(codes.Unavailable, "the node's part in the cluster has changed; connect again", wire.Refusal_NONE)
}
