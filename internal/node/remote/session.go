package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// dispatcherService is the agents' sessions on the wire. A manager that leads speaks first, with the list of managers;
// one that does not lead says goodbye.
type dispatcherService struct {
	wire.UnimplementedDispatcherServer
}

type sessionStream = grpc.BidiStreamingServer[wire.AgentMessage, wire.ManagerMessage]

func (d dispatcherService) Connect(stream sessionStream) error {
	c := callerOf(stream.Context())
	session, err := c.handlers.Dispatcher.Connect(c.peer.Node, c.host())
	if errors.Is(err, store.ErrNotLeader) {
		return stream.Send(wire.FromGoodbye(&wire.Goodbye{
			Reason: wire.Goodbye_LEADER_CHANGED, Text: "this manager does not lead the cluster", Leader: leaderOf(c.handlers.managers()),
		}))
	}
	if err != nil {
		return err
	}
	defer session.Close()
	go d.listen(stream, session)
	return d.speak(stream.Context(), stream, session, c.handlers)
}

// listen hands on what the agent says. It ends with the stream.
func (d dispatcherService) listen(stream sessionStream, session wire.Session) {
	defer session.Close()
	for {
		msg, err := stream.Recv()
		if err != nil {
			return
		}
		if h := msg.GetHello(); h != nil && !bytes.Equal(h.NodeId, wire.Bytes(callerOf(stream.Context()).peer.Node)) {
			return // it says that it is another node than its certificate does
		}
		if session.Send(msg) != nil {
			return
		}
	}
}

// speak sends what the dispatcher says.
func (d dispatcherService) speak(ctx context.Context, stream sessionStream, session wire.Session, h *Handlers) error {
	if err := stream.Send(wire.FromManagers(&wire.Managers{Managers: h.managers()})); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case msg, ok := <-session.Recv():
			if !ok {
				return nil
			}
			if bye := msg.GetGoodbye(); bye.GetReason() == wire.Goodbye_LEADER_CHANGED && bye.Leader == nil {
				bye = proto.CloneOf(bye) // the dispatcher's message is not ours to change
				bye.Leader = leaderOf(h.managers())
				msg = wire.FromGoodbye(bye)
			}
			if err := stream.Send(msg); err != nil {
				return fmt.Errorf("tell the node: %w", err)
			}
		}
	}
}

func (h *Handlers) managers() []*wire.Manager {
	if h.Managers == nil {
		return nil
	}
	return h.Managers()
}

func leaderOf(managers []*wire.Manager) *wire.Manager {
	for _, m := range managers {
		if m.Leader {
			return m
		}
	}
	return nil
}
