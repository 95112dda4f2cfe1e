package remote

import (
	"context"

	"github.com/skep-org/skep/internal/wire"
)

// directoryService is Directory on the wire.
type directoryService struct {
	wire.UnimplementedDirectoryServer
}

func (directoryService) Network(ctx context.Context, req *wire.NetworkRequest) (*wire.NetworkReply, error) {
	n, err := callerOf(ctx).handlers.Directory.Network(ctx, req.Name)
	if err != nil {
		return nil, faultOf(err)
	}
	return &wire.NetworkReply{Network: n}, nil
}
