package remote

import (
	"context"
	"errors"
	"fmt"
	"io"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

// groupService is Group on the wire.
type groupService struct {
	wire.UnimplementedGroupServer
	server *Server
}

func (g groupService) Step(stream grpc.ClientStreamingServer[wire.RaftMessages, wire.RaftDone]) error {
	c := callerOf(stream.Context())
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&wire.RaftDone{})
		}
		if err != nil {
			return err
		}
		if err := g.ofThisCluster(in.ClusterId); err != nil {
			return err
		}
		if in.From != 0 && in.Addr != "" {
			c.handlers.Group.Heard(in.From, c.peer.Node, in.Addr)
		}
		for _, raw := range in.Messages {
			msg, err := readMessage(raw)
			if err != nil {
				return err
			}
			if msg.GetType() != pb.MsgSnap { // a snapshot comes with its body
				c.handlers.Group.Step(msg)
			}
		}
	}
}

func (g groupService) Snapshot(stream grpc.ClientStreamingServer[wire.SnapshotChunk, wire.RaftDone]) error {
	select {
	case g.server.snapshots <- struct{}{}:
		defer func() { <-g.server.snapshots }()
	default:
		return tooMany("this manager takes in other snapshots just now")
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if err := g.ofThisCluster(first.ClusterId); err != nil {
		return err
	}
	msg, err := readMessage(first.Message)
	if err != nil {
		return err
	}
	if msg.GetType() != pb.MsgSnap {
		return malformed("a snapshot came without the message that announces it")
	}
	body := &chunkReader{stream: stream, rest: first.Data}
	if err := callerOf(stream.Context()).handlers.Group.StepSnapshot(stream.Context(), msg, body); err != nil {
		return err
	}
	return stream.SendAndClose(&wire.RaftDone{})
}

func (g groupService) Propose(ctx context.Context, req *wire.ProposeRequest) (*wire.ProposeReply, error) {
	e, err := store.DecodeEntry(req.Entry)
	if err != nil {
		return nil, malformed(err.Error())
	}
	c := callerOf(ctx)
	index, err := c.handlers.Group.Propose(ctx, c.peer, e.Batch)
	if err != nil {
		return refusedReply(err), nil
	}
	return &wire.ProposeReply{Index: index}, nil
}

func (g groupService) Enter(ctx context.Context, req *wire.EnterRequest) (*wire.EnterReply, error) {
	c := callerOf(ctx)
	return &wire.EnterReply{}, c.handlers.Group.Enter(ctx, c.peer, req.RaftId, req.Addr, req.Holds)
}

func (g groupService) Depart(ctx context.Context, req *wire.DepartRequest) (*wire.DepartReply, error) {
	c := callerOf(ctx)
	return &wire.DepartReply{}, c.handlers.Group.Depart(ctx, c.peer, req.RaftId, req.Force)
}

func (g groupService) Ask(ctx context.Context, req *wire.AskRequest) (*wire.AskReply, error) {
	node, err := wire.ID(req.NodeId)
	if err != nil {
		return nil, malformed(err.Error())
	}
	var msg *wire.ManagerMessage
	switch what := req.What.(type) {
	case *wire.AskRequest_OpenLogs:
		msg = wire.FromOpenLogs(what.OpenLogs)
	case *wire.AskRequest_CloseLogs:
		msg = wire.FromCloseLogs(what.CloseLogs)
	case *wire.AskRequest_Question:
		msg = wire.FromQuestion(what.Question)
	default:
		return nil, malformed("this manager does not know what the node is to be asked")
	}
	if err := callerOf(ctx).handlers.Group.Ask(ctx, node, msg); err != nil {
		return &wire.AskReply{Refusal: refusalOf(err), Text: err.Error()}, nil
	}
	return &wire.AskReply{}, nil
}

func (g groupService) Members(ctx context.Context, _ *wire.MembersRequest) (*wire.MembersReply, error) {
	members, err := callerOf(ctx).handlers.Group.Members(ctx)
	if err != nil {
		return nil, err
	}
	out := &wire.MembersReply{}
	for _, m := range members {
		out.Members = append(out.Members, &wire.GroupMember{
			RaftId: m.RaftID, NodeId: wire.Bytes(m.Node), Addr: m.Addr, Learner: m.Learner, Leader: m.Leader, Active: m.Active,
		})
	}
	return out, nil
}

// groupOf is the other direction. A member whose node cannot be read is nobody's.
func groupOf(r *wire.MembersReply) roles.Group {
	var out roles.Group
	for _, m := range r.Members {
		node, err := wire.ID(m.NodeId)
		if err != nil {
			node = model.ID{}
		}
		out = append(out, roles.Member{RaftID: m.RaftId, Node: node, Addr: m.Addr, Learner: m.Learner, Leader: m.Leader, Active: m.Active})
	}
	return out
}

// ofThisCluster checks the first message of a stream; the later ones name no cluster.
func (g groupService) ofThisCluster(raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	if id, err := wire.ID(raw); err != nil || id != g.server.cfg.Cluster {
		return malformed("the message is of another cluster")
	}
	return nil
}

func readMessage(raw []byte) (*pb.Message, error) {
	msg := &pb.Message{}
	if err := proto.Unmarshal(raw, msg); err != nil {
		return nil, malformed(fmt.Sprintf("a raft message cannot be read: %v", err))
	}
	return msg, nil
}

func malformed(text string) error {
	return fault(codes.InvalidArgument, text, wire.Refusal_NONE)
}

// chunkReader is the body of a snapshot as it comes in.
type chunkReader struct {
	stream grpc.ClientStreamingServer[wire.SnapshotChunk, wire.RaftDone]
	rest   []byte
}

func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		chunk, err := r.stream.Recv()
		if err != nil {
			return 0, err // io.EOF when the sender has sent all of it, another error when it broke off
		}
		r.rest = chunk.Data
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
