package remote

import (
	"google.golang.org/grpc"

	"github.com/skep-org/skep/internal/wire"
)

// relayWindow is how many frames a node may send ahead of their reader.
const relayWindow = 64

// relayService is Relay on the wire.
type relayService struct {
	wire.UnimplementedRelayServer
}

type relayStream = grpc.BidiStreamingServer[wire.RelayFrame, wire.RelayCredit]

func (relayService) Attach(stream relayStream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	id, err := wire.ID(first.StreamId)
	if err != nil {
		return malformed("the output does not say for whom it is")
	}
	c := callerOf(stream.Context())
	f := &frames{stream: stream, used: relayWindow}
	if first.Line != nil || first.Error != "" || first.End || len(first.Data) > 0 {
		f.first = first
	}
	return c.handlers.Relay.Attach(stream.Context(), c.peer, id, f)
}

// frames implements [Frames]. It belongs to one goroutine.
type frames struct {
	stream relayStream
	first  *wire.RelayFrame // came with the stream's id
	used   uint32           // frames that were read since the node was last allowed more
}

// Next reads a frame. The node may send more when half of what it may send was read.
func (f *frames) Next() (*wire.RelayFrame, error) {
	if first := f.first; first != nil {
		f.first = nil
		return first, nil
	}
	if f.used >= relayWindow/2 {
		if err := f.stream.Send(&wire.RelayCredit{Frames: f.used}); err != nil {
			return nil, err
		}
		f.used = 0
	}
	frame, err := f.stream.Recv()
	f.used++
	return frame, err
}
