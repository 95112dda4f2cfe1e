package remote

import (
	"testing"

	"github.com/stretchr/testify/require"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

func encoded(t *testing.T, kind pb.MessageType) []byte {
	t.Helper()
	raw, err := proto.Marshal(&pb.Message{Type: kind.Enum(), To: new(uint64(1)), From: new(uint64(2))})
	require.NoError(t, err)
	return raw
}

// What makes no sense ends its stream and reaches no replica.
func TestMalformedMessages(t *testing.T) {
	a := newCA(t)
	rec := &recorder{stepped: make(chan *pb.Message, 8), bodies: make(chan string, 8)}
	h := serve(t, a, rec.handlers())
	keys := a.keys(ours, m2, model.RoleManager)
	c := wire.NewGroupClient(rawConn(t, h.addr, &keys))
	beat, snap := encoded(t, pb.MsgHeartbeat), encoded(t, pb.MsgSnap)
	for name, frame := range map[string]*wire.RaftMessages{
		"another cluster": {ClusterId: wire.Bytes(theirs), Messages: [][]byte{beat}}, "half an id": {ClusterId: []byte{1}, Messages: [][]byte{beat}},
		"rubbish": {Messages: [][]byte{{0xff}}},
	} {
		s, err := c.Step(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Send(frame))
		_, err = s.CloseAndRecv()
		require.Equal(t, codes.InvalidArgument, status.Code(err), name)
	}
	for name, chunk := range map[string]*wire.SnapshotChunk{
		"another cluster": {ClusterId: wire.Bytes(theirs), Message: snap}, "no message": {Data: []byte("x")}, "another message": {Message: beat},
	} {
		s, err := c.Snapshot(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Send(chunk))
		_, err = s.CloseAndRecv()
		require.Equal(t, codes.InvalidArgument, status.Code(err), name)
	}
	_, err := c.Propose(t.Context(), &wire.ProposeRequest{Entry: []byte{0xff}})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.Empty(t, rec.bodies)
	require.Empty(t, rec.stepped)

	// A snapshot's message without its body would have a replica start from what it has not.
	s, err := c.Step(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Send(&wire.RaftMessages{Messages: [][]byte{snap, beat}}))
	_, err = s.CloseAndRecv()
	require.NoError(t, err)
	require.Equal(t, pb.MsgHeartbeat, (<-rec.stepped).GetType())
	require.Empty(t, rec.stepped)
}

// A manager takes in few snapshots at a time; the others are told to come again.
func TestSnapshotsAtOnce(t *testing.T) {
	a := newCA(t)
	rec := &recorder{bodies: make(chan string, 8)}
	h := serve(t, a, rec.handlers())
	keys := a.keys(ours, m2, model.RoleManager)
	c := wire.NewGroupClient(rawConn(t, h.addr, &keys))
	first := &wire.SnapshotChunk{Message: encoded(t, pb.MsgSnap)}
	for range snapshotsAtOnce {
		s, err := c.Snapshot(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Send(first))
		defer func() {
			_, err := s.CloseAndRecv()
			require.NoError(t, err)
		}()
	}
	eventually(t, func() bool { return len(h.snapshots) == snapshotsAtOnce }, "the snapshots do not come in")
	s, err := c.Snapshot(t.Context())
	require.NoError(t, err)
	_, err = s.CloseAndRecv()
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
}

// A renewed certificate moves the messages to another stream, and no member is thought to be lost.
func TestMessagesOverARenewal(t *testing.T) {
	a := newCA(t)
	stepped := make(chan *pb.Message, 8)
	h := serve(t, a, (&recorder{stepped: stepped}).handlers())
	now := make(chan identity.Keys, 1)
	now <- a.keys(ours, m2, model.RoleManager)
	d := dialerWith(t, func() identity.Keys {
		k := <-now
		now <- k
		return k
	}, env.Real())
	tr, r := startTransportWith(t, d, func(uint64) (model.ID, string, bool) { return m1, h.addr, true })
	send := func(term uint64) {
		tr.Send([]*pb.Message{{Type: pb.MsgHeartbeat.Enum(), To: new(uint64(1)), From: new(uint64(2)), Term: new(term)}})
		msg, _ := within(t, stepped, "a message is lost")
		require.Equal(t, term, msg.GetTerm())
	}
	send(1)
	before := h.calls.list()
	require.Len(t, before, 1)
	<-now
	now <- a.keys(ours, m2, model.RoleManager)
	d.Renewed()
	eventually(t, func() bool { return len(h.calls.list()) == 1 && h.calls.list()[0] != before[0] }, "the stream is not opened anew")
	send(2)
	require.Empty(t, r.lost)
}
