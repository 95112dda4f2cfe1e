package remote

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// sessions are handlers whose dispatcher hands its ends of the sessions to the test.
func sessions() (*fakes, chan *pipe) {
	opened := make(chan *pipe, 8)
	return &fakes{session: func(model.ID) (wire.Session, error) {
		p := newPipe()
		opened <- p
		return p, nil
	}}, opened
}

// dial opens an agent's session with a server.
func dial(t *testing.T, d *Dialer, h *host) wire.Session {
	t.Helper()
	a := NewAgentDialer(func() []Manager { return []Manager{h.manager()} }, d)
	s, err := a.Dial(t.Context())
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// ended waits for a session's end, which has to come without a word.
func ended(t *testing.T, s wire.Session) {
	t.Helper()
	msg, ok := within(t, s.Recv(), "the session goes on")
	require.False(t, ok, "%v", msg)
	require.ErrorIs(t, s.Send(wire.FromHeartbeat(&wire.Heartbeat{})), wire.ErrEnded)
}

// goesOn sends a message each way.
func goesOn(t *testing.T, s wire.Session, p *pipe) {
	t.Helper()
	require.NoError(t, s.Send(wire.FromHeartbeat(&wire.Heartbeat{})))
	_, ok := within(t, p.in, "the manager hears nothing")
	require.True(t, ok)
	p.out <- wire.FromAck(&wire.Ack{Seq: 1})
	msg, ok := within(t, s.Recv(), "the node hears nothing")
	require.True(t, ok)
	require.NotNil(t, msg.GetAck())
}

// A node that is removed loses its streams at once, and nobody else does.
func TestRemovedNodeLosesItsStreams(t *testing.T) {
	a := newCA(t)
	f, opened := sessions()
	h := serve(t, a, f.handlers())
	other := model.NumID(12)
	gone := dialer(t, a.keys(ours, w1, model.RoleWorker))
	s1 := dial(t, gone, h)
	p1, _ := within(t, opened, "no session")
	s2 := dial(t, dialer(t, a.keys(ours, other, model.RoleWorker)), h)
	p2, _ := within(t, opened, "no session")
	goesOn(t, s1, p1)

	h.granted.set(func(g *granted) { g.gone[w1] = true })
	goesOn(t, s1, p1) // it is the server that is told
	h.Recheck()
	ended(t, s1)
	within(t, p1.closed, "the dispatcher does not know that the session is over")
	goesOn(t, s2, p2)
	_, err := gone.Renew(t.Context(), h.manager(), nil)
	require.ErrorIs(t, err, ErrForbidden)
	require.EqualError(t, err, "the node was removed from the cluster")
}

// A manager that is demoted keeps what a worker may do.
func TestDemotedManagerLosesItsManagersStreams(t *testing.T) {
	a := newCA(t)
	f, opened := sessions()
	h := serve(t, a, f.handlers())
	d := dialer(t, a.keys(ours, m2, model.RoleManager))
	s := dial(t, d, h)
	p, _ := within(t, opened, "no session")
	l, err := d.ready(t.Context(), h.manager())
	require.NoError(t, err)
	defer l.release()
	step, err := wire.NewGroupClient(l.cc).Step(t.Context())
	require.NoError(t, err)
	eventually(t, func() bool { return len(h.calls.list()) == 2 }, "the streams are not open")

	h.granted.set(func(g *granted) { g.roles[m2] = model.RoleWorker })
	h.Recheck()
	over := make(chan error, 1)
	go func() { over <- step.RecvMsg(&wire.RaftDone{}) }()
	err, _ = within(t, over, "the managers' stream goes on")
	require.ErrorContains(t, err, "not a manager any more")
	goesOn(t, s, p)
	_, err = d.Propose(t.Context(), h.manager(), someBatch())
	require.ErrorIs(t, err, ErrForbidden)
}

// A node that takes up or gives up a part begins with all streams anew.
func TestNewHandlersEndStreams(t *testing.T) {
	a := newCA(t)
	f, opened := sessions()
	h := serve(t, a, f.handlers())
	d := dialer(t, a.keys(ours, w1, model.RoleWorker))
	s := dial(t, d, h)
	within(t, opened, "no session")
	h.SetHandlers(Handlers{})
	ended(t, s)
	_, err := d.Renew(t.Context(), h.manager(), nil)
	require.ErrorIs(t, err, ErrNotManager)
	h.SetHandlers(f.handlers())
	s = dial(t, d, h)
	p, _ := within(t, opened, "no session")
	goesOn(t, s, p)
}

func TestStreamsEndWithTheCertificate(t *testing.T) {
	a := newCA(t)
	f, opened := sessions()
	clock := &jumpClock{}
	h := serve(t, a, f.handlers(), func(c *Config) { c.Env.Clock = clock })
	d := dialer(t, a.keysFor(ours, w1, model.RoleWorker, time.Hour))
	s1 := dial(t, d, h)
	p1, _ := within(t, opened, "no session")
	s2 := dial(t, dialer(t, a.keysFor(ours, model.NumID(12), model.RoleWorker, 5*time.Hour)), h)
	p2, _ := within(t, opened, "no session")
	goesOn(t, s1, p1)

	clock.jump(59 * time.Minute)
	goesOn(t, s1, p1)
	clock.jump(2 * time.Minute)
	ended(t, s1)
	goesOn(t, s2, p2)
	_, err := d.Renew(t.Context(), h.manager(), nil)
	require.ErrorContains(t, err, "the certificate of node "+w1.String()+" ended", "on the connection that stands")

	_, err = dialer(t, d.keys).Renew(t.Context(), h.manager(), nil)
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorContains(t, err, "it says that this node's certificate has ended")
}

// A client ends its streams when the other end's certificate does: the server will have another one by then.
func TestStreamsEndWithTheServersCertificate(t *testing.T) {
	a := newCA(t)
	f, opened := sessions()
	h := serve(t, a, f.handlers())
	clock := &jumpClock{}
	e := env.Real()
	e.Clock = clock
	keys := a.keysFor(ours, w1, model.RoleWorker, 100*time.Hour)
	d := dialerWith(t, func() identity.Keys { return keys }, e)
	s := dial(t, d, h)
	within(t, opened, "no session")
	clock.jump(49 * time.Hour) // the server's is of 48
	ended(t, s)
	_, err := d.Renew(t.Context(), h.manager(), nil)
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorContains(t, err, "set the clock")
}

// With a new certificate streams are opened anew; a call that is under way is finished.
func TestRenewedCertificate(t *testing.T) {
	a := newCA(t)
	f, opened := sessions()
	entered, leave := make(chan struct{}), make(chan struct{})
	f.enter = func(context.Context) error {
		close(entered)
		<-leave
		return nil
	}
	h := serve(t, a, f.handlers())
	now := make(chan identity.Keys, 1)
	now <- a.keys(ours, m2, model.RoleManager)
	d := dialerWith(t, func() identity.Keys {
		k := <-now
		now <- k
		return k
	}, env.Real())
	s := dial(t, d, h)
	within(t, opened, "no session")
	done := make(chan error, 1)
	go func() { done <- d.Enter(context.Background(), h.manager(), 2, "addr", 0) }()
	within(t, entered, "not entered")

	<-now
	now <- a.keys(ours, m2, model.RoleManager)
	d.Renewed()
	ended(t, s)
	close(leave)
	err, _ := within(t, done, "the call is not answered")
	require.NoError(t, err)
	s = dial(t, d, h)
	p, _ := within(t, opened, "no session")
	goesOn(t, s, p)
}

// Who answers at an address is not believed to be whoever was expected there.
func TestAnotherNodeAnswers(t *testing.T) {
	a, foreign := newCA(t), newCA(t)
	f := &fakes{}
	h := serve(t, a, f.handlers())
	d := dialer(t, a.keys(ours, w1, model.RoleWorker))
	_, err := d.Renew(t.Context(), Manager{Node: m1, Addr: h.addr}, nil)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		d   *Dialer
		to  Manager
		say string
	}{
		"another manager":   {d, Manager{Node: m2, Addr: h.addr}, "node " + m2.String() + " was expected there, and it is " + m1.String()},
		"another cluster":   {dialer(t, a.keys(theirs, w1, model.RoleWorker)), h.manager(), "it belongs to cluster " + ours.String()},
		"another authority": {dialer(t, foreign.keys(ours, w1, model.RoleWorker)), h.manager(), "another authority"},
		"a worker":          {d, serveWith(t, a.keys(ours, model.NumID(12), model.RoleWorker)).manager(), "has no manager's certificate"},
		"nobody":            {d, Manager{Addr: "127.0.0.1:1"}, "127.0.0.1:1"},
	} {
		_, err := c.d.Renew(t.Context(), c.to, nil)
		require.ErrorIs(t, err, ErrUnreachable, name)
		require.ErrorContains(t, err, c.say, name)
	}
}

// serveWith runs a server with given keys and handlers that answer everything.
func serveWith(t *testing.T, keys identity.Keys) *host {
	t.Helper()
	return serve(t, newCA(t), (&fakes{}).handlers(), func(c *Config) { c.Keys = func() identity.Keys { return keys } })
}
