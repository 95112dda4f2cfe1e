package remote

import (
	"context"

	"github.com/skep-org/skep/internal/wire"
)

// authorityService is Authority on the wire.
type authorityService struct {
	wire.UnimplementedAuthorityServer
}

func (authorityService) Root(ctx context.Context, _ *wire.RootRequest) (*wire.RootReply, error) {
	return callerOf(ctx).handlers.Authority.Root(ctx)
}

func (authorityService) Join(ctx context.Context, req *wire.JoinRequest) (*wire.JoinReply, error) {
	c := callerOf(ctx)
	return c.handlers.Authority.Join(ctx, c.host(), req)
}

func (authorityService) Renew(ctx context.Context, req *wire.RenewRequest) (*wire.RenewReply, error) {
	c := callerOf(ctx)
	return c.handlers.Authority.Renew(ctx, c.peer, req)
}
