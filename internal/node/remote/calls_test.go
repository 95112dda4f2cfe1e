package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/manager/authority"
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/manager/roles"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/raft"
	"github.com/skep-org/skep/internal/wire"
)

func someBatch() *store.Batch {
	return &store.Batch{Writer: store.WriterAPI,
		Conditions: []store.Condition{store.Services.Absent(model.KeyOf(model.NumID(5)))},
		Changes:    []store.Change{store.Services.Put(&model.Service{ID: model.NumID(5), Name: "web"})}}
}

// A write that is forwarded ends as it would have where it is forwarded to.
func TestProposeTellsTheLeadersError(t *testing.T) {
	a := newCA(t)
	var outcome error
	got := make(chan *store.Batch, 1)
	f := &fakes{propose: func(_ context.Context, b *store.Batch) (uint64, error) {
		select {
		case got <- b:
		default:
		}
		return 42, outcome
	}}
	h := serve(t, a, f.handlers())
	d := dialer(t, a.keys(ours, m2, model.RoleManager))

	index, err := d.Propose(t.Context(), h.manager(), someBatch())
	require.NoError(t, err)
	require.EqualValues(t, 42, index)
	require.Equal(t, someBatch(), <-got)

	for _, c := range []struct{ there, here error }{
		{store.ErrConflict, store.ErrConflict},
		{store.ErrExists, store.ErrExists},
		{store.ErrNotFound, store.ErrNotFound},
		{store.ErrInUse, store.ErrInUse},
		{store.ErrWriter, store.ErrWriter},
		{store.ErrTooLarge, store.ErrTooLarge},
		{raft.ErrTooLarge, store.ErrTooLarge},
		{store.ErrNotLeader, store.ErrNotLeader},
		{raft.ErrStopped, store.ErrNotLeader},
		{store.ErrUnknownOutcome, store.ErrUnknownOutcome},
		{raft.ErrBusy, raft.ErrBusy},
		{context.DeadlineExceeded, store.ErrUnknownOutcome}, // of waiting for a batch that is under way
	} {
		outcome = fmt.Errorf("network web: %w", c.there)
		_, err := d.Propose(t.Context(), h.manager(), someBatch())
		require.ErrorIs(t, err, c.here)
		require.EqualError(t, err, outcome.Error())
	}

	outcome = &store.UniqueError{Table: store.Services.ID(), Index: "name", Key: model.KeyPair(model.NumID(1), model.NumID(2))}
	_, err = d.Propose(t.Context(), h.manager(), someBatch())
	var unique *store.UniqueError
	require.ErrorAs(t, err, &unique)
	require.Equal(t, outcome, unique)
	require.ErrorIs(t, err, store.ErrExists)

	outcome = errors.New("something else")
	_, err = d.Propose(t.Context(), h.manager(), someBatch())
	require.EqualError(t, err, "something else")
}

// Who of the managers answers is the leader's word; one that does not lead, or is not there, says so.
func TestMembers(t *testing.T) {
	a := newCA(t)
	want := roles.Group{
		{RaftID: 1 << 63, Node: m1, Addr: "192.0.2.1:2377", Leader: true, Active: true},
		{RaftID: 2, Node: m2, Addr: "192.0.2.2:2377", Learner: true},
	}
	leads, follows := serve(t, a, (&fakes{members: want}).handlers()), serve(t, a, (&fakes{}).handlers())
	d := dialer(t, a.keys(ours, m2, model.RoleManager))
	got, err := d.Members(t.Context(), leads.manager())
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = d.Members(t.Context(), follows.manager())
	require.ErrorIs(t, err, store.ErrNotLeader)
	follows.stop()
	_, err = d.Members(t.Context(), follows.manager())
	require.ErrorIs(t, err, store.ErrNotLeader)
	_, err = dialer(t, a.keys(ours, w1, model.RoleWorker)).Members(t.Context(), leads.manager())
	require.ErrorIs(t, err, ErrForbidden)
}

// What became of a write whose manager went away is not known; a write that was not sent did not happen.
func TestProposeWhenTheManagerGoes(t *testing.T) {
	a := newCA(t)
	begun := make(chan struct{})
	f := &fakes{propose: func(ctx context.Context, _ *store.Batch) (uint64, error) {
		close(begun)
		<-ctx.Done()
		return 0, ctx.Err()
	}}
	h := serve(t, a, f.handlers())
	d := dialer(t, a.keys(ours, m2, model.RoleManager))
	done := make(chan error, 1)
	go func() {
		_, err := d.Propose(context.Background(), h.manager(), someBatch())
		done <- err
	}()
	within(t, begun, "not proposed")
	h.stop()
	err, _ := within(t, done, "no answer")
	require.ErrorIs(t, err, store.ErrUnknownOutcome)
	require.NotErrorIs(t, err, store.ErrNotLeader)

	_, err = d.Propose(t.Context(), h.manager(), someBatch())
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorIs(t, err, store.ErrNotLeader)
	require.NotErrorIs(t, err, store.ErrUnknownOutcome)

	worker := serve(t, a, Handlers{})
	_, err = d.Propose(t.Context(), worker.manager(), someBatch())
	require.ErrorIs(t, err, ErrNotManager)
	require.ErrorIs(t, err, store.ErrNotLeader)
}

func TestProposeThatNobodyWaitsFor(t *testing.T) {
	a := newCA(t)
	begun := make(chan struct{})
	f := &fakes{propose: func(ctx context.Context, _ *store.Batch) (uint64, error) {
		close(begun)
		<-ctx.Done()
		return 0, ctx.Err()
	}}
	h := serve(t, a, f.handlers())
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	_, err := dialer(t, a.keys(ours, m2, model.RoleManager)).Propose(ctx, h.manager(), someBatch())
	require.ErrorIs(t, err, store.ErrUnknownOutcome)
	require.ErrorIs(t, err, context.Canceled)
}

// The other calls keep the errors their callers have to tell apart, and the words.
func TestFaultsOfCalls(t *testing.T) {
	a := newCA(t)
	var outcome error
	f := &fakes{enter: func(context.Context) error { return outcome }}
	h := serve(t, a, f.handlers())
	d := dialer(t, a.keys(ours, m2, model.RoleManager))
	require.NoError(t, d.Enter(t.Context(), h.manager(), 2, "addr", 0))
	require.NoError(t, d.Depart(t.Context(), h.manager(), 2, false))
	for _, is := range []error{store.ErrNotLeader, raft.ErrChangePending, roles.ErrQuorum, authority.ErrRemoved, authority.ErrRefused, context.DeadlineExceeded} {
		outcome = fmt.Errorf("take the node in: %w", is)
		err := d.Enter(t.Context(), h.manager(), 2, "addr", 0)
		if errors.Is(is, raft.ErrChangePending) {
			is = raft.ErrBusy // both: try again
		}
		require.ErrorIs(t, err, is)
		require.EqualError(t, err, outcome.Error())
		require.NotErrorIs(t, err, store.ErrUnknownOutcome)
	}
	reply, err := d.Renew(t.Context(), h.manager(), []byte("csr"))
	require.NoError(t, err)
	require.Equal(t, m2.String()+" csr", string(reply.Cert), "the handler learns who asks from the certificate")

	logs := &wire.AskRequest_OpenLogs{OpenLogs: &wire.OpenLogs{}}
	require.NoError(t, d.Ask(t.Context(), h.manager(), &wire.AskRequest{NodeId: wire.Bytes(w1), What: logs}))
	require.ErrorIs(t, d.Ask(t.Context(), h.manager(), &wire.AskRequest{NodeId: wire.Bytes(m3), What: logs}), dispatcher.ErrNotConnected)
	require.ErrorContains(t, d.Ask(t.Context(), h.manager(), &wire.AskRequest{NodeId: wire.Bytes(w1)}), "does not know what")
}

// A manager that takes connections and says nothing costs a caller a few seconds, not for ever.
func TestSilentManager(t *testing.T) {
	a := newCA(t)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer lis.Close()
	d := dialer(t, a.keys(ours, m2, model.RoleManager))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = d.Propose(ctx, Manager{Addr: lis.Addr().String()}, someBatch())
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A worker is told which of the answers it got: the network, that there is none, that it may not be joined.
func TestNetworksAreAskedFor(t *testing.T) {
	a := newCA(t)
	h := serve(t, a, (&fakes{}).handlers())
	d := dialer(t, a.keys(ours, w1, model.RoleWorker))
	n, err := d.Network(t.Context(), h.manager(), "open")
	require.NoError(t, err)
	require.Equal(t, "open", n.Name)
	_, err = d.Network(t.Context(), h.manager(), "closed")
	require.ErrorIs(t, err, authority.ErrRefused)
	_, err = d.Network(t.Context(), h.manager(), "nosuch")
	require.ErrorIs(t, err, store.ErrNotFound)
}
