package remote

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

func tokenOf(a ca) string {
	return identity.Token(identity.Digest(a.root.Cert), identity.Secret([16]byte{1}))
}

func TestJoin(t *testing.T) {
	a, other := newCA(t), newCA(t)
	var asked []*wire.JoinRequest
	f := &fakes{roots: a.root.Cert, join: func(_ context.Context, r *wire.JoinRequest) (*wire.JoinReply, error) {
		asked = append(asked, r)
		return &wire.JoinReply{NodeId: wire.Bytes(w1)}, nil
	}}
	h := serve(t, a, f.handlers())

	reply, err := Join(t.Context(), env.Real(), h.addr, &wire.JoinRequest{Token: tokenOf(a), Csr: []byte("csr"), Clock: 7})
	require.NoError(t, err)
	require.Equal(t, wire.Bytes(w1), reply.NodeId)
	require.Equal(t, "csr", string(asked[0].Csr))
	asked = nil

	_, err = Join(t.Context(), env.Real(), h.addr, &wire.JoinRequest{Token: tokenOf(other)})
	require.ErrorIs(t, err, ErrTokenDigest)
	require.ErrorContains(t, err, h.addr)
	_, err = Join(t.Context(), env.Real(), h.addr, &wire.JoinRequest{Token: "SWMTKN"})
	require.ErrorIs(t, err, identity.ErrBadToken)
	_, err = Join(t.Context(), env.Real(), "127.0.0.1:1", &wire.JoinRequest{Token: tokenOf(a)})
	require.ErrorIs(t, err, ErrUnreachable)
	require.Empty(t, asked, "the secret is told to nobody who is not the cluster")
}

// Somebody who shows the right root without being of it does not get the token.
func TestJoinAtAnImpostor(t *testing.T) {
	a, other := newCA(t), newCA(t)
	asked := false
	f := &fakes{roots: a.root.Cert, join: func(context.Context, *wire.JoinRequest) (*wire.JoinReply, error) {
		asked = true
		return &wire.JoinReply{}, nil
	}}
	for name, keys := range map[string]identity.Keys{
		"of another authority": other.keys(ours, m1, model.RoleManager), "a worker of the cluster": a.keys(ours, w1, model.RoleWorker),
	} {
		h := serve(t, a, f.handlers(), func(c *Config) { c.Keys = func() identity.Keys { return keys } })
		_, err := Join(t.Context(), env.Real(), h.addr, &wire.JoinRequest{Token: tokenOf(a)})
		require.ErrorIs(t, err, ErrUnreachable, name)
	}
	require.False(t, asked)
}

func TestJoinWithAClockThatIsOff(t *testing.T) {
	a := newCA(t)
	h := serve(t, a, (&fakes{roots: a.root.Cert}).handlers())
	clock := &jumpClock{}
	clock.jump(100 * time.Hour)
	e := env.Real()
	e.Clock = clock
	_, err := Join(t.Context(), e, h.addr, &wire.JoinRequest{Token: tokenOf(a)})
	require.ErrorContains(t, err, "set the clock")
}

// Clients without a certificate are answered so many times, and each address for itself.
func TestStrangersAreLimited(t *testing.T) {
	a := newCA(t)
	clock := &jumpClock{}
	h := serve(t, a, (&fakes{roots: a.root.Cert}).handlers(), func(c *Config) {
		c.Env.Clock = clock
		c.Limits = Limits{PerAddress: 0.01, Burst: 3, Overall: 1000}
	})
	root := func() error {
		return asStranger(t.Context(), env.Real(), h.addr, nil, func(c wire.AuthorityClient) error {
			_, err := c.Root(t.Context(), &wire.RootRequest{})
			return err
		})
	}
	for range 3 {
		require.NoError(t, root())
	}
	err := root()
	require.ErrorIs(t, err, ErrTooMany)
	require.EqualError(t, err, "too many requests to join come from this address; try again shortly")
	d := dialer(t, a.keys(ours, w1, model.RoleWorker))
	_, err = d.Renew(t.Context(), h.manager(), nil)
	require.NoError(t, err, "nodes are not limited with them")
	clock.jump(101 * time.Second)
	require.NoError(t, root())
	require.Error(t, root())
}

func TestGate(t *testing.T) {
	clock := &jumpClock{}
	g := newGate(Limits{PerAddress: 1, Burst: 2, Overall: 2, Concurrent: 3}.withDefaults(), clock)
	for _, from := range []string{"a", "b", "c"} {
		require.NoError(t, g.enter(from))
	}
	require.Error(t, g.enter("d"), "three are being answered")
	for range 3 {
		g.leave()
	}
	require.NoError(t, g.enter("d"))
	require.Error(t, g.enter("e"), "four in no time, with two a second")
	clock.jump(time.Second)
	require.NoError(t, g.enter("e"))
	g.leave()

	// The addresses of a flood are forgotten when they are quiet again.
	for i := range addressesAtOnce {
		if g.enter(strconv.Itoa(i)) == nil {
			g.leave()
		}
	}
	require.LessOrEqual(t, len(g.each), addressesAtOnce)
	clock.jump(time.Hour)
	require.NoError(t, g.enter("z"))
	require.Less(t, len(g.each), 10)
}

func TestAddressKey(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:5":           "192.0.2.1",
		"[::ffff:192.0.2.1]:5":  "192.0.2.1",
		"[2001:db8:1:2:3::4]:5": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:2377":   "fe80::/64",
	} {
		require.Equal(t, want, addressKey(named(in)))
	}
}

type named string

func (n named) Network() string { return "tcp" }
func (n named) String() string  { return string(n) }

// Connections of strangers are few, those of nodes are not counted with them, and those that say nothing end.
func TestConnectionsOfStrangers(t *testing.T) {
	a := newCA(t)
	h := serve(t, a, (&fakes{}).handlers(), func(c *Config) { c.Limits = Limits{Connections: 16} }) // two from one address
	open := func() *tls.Conn {
		raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.addr)
		require.NoError(t, err)
		c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}})
		t.Cleanup(func() { _ = c.Close() })
		require.NoError(t, c.HandshakeContext(t.Context()))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		return c
	}
	speaks := func(c *tls.Conn) bool {
		_, err := c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
		if err != nil {
			return false
		}
		n, _ := c.Read(make([]byte, 9))
		return n > 0
	}
	first, second := open(), open()
	require.True(t, speaks(first))
	require.True(t, speaks(second))
	require.False(t, speaks(open()))
	_, err := dialer(t, a.keys(ours, w1, model.RoleWorker)).Renew(t.Context(), h.manager(), nil)
	require.NoError(t, err)
	require.NoError(t, first.Close())
	eventually(t, func() bool { return speaks(open()) }, "the place is not free again")
}

// What a stranger sends is small; what a node sends is not that small.
func TestMessagesAreLimited(t *testing.T) {
	a := newCA(t)
	h := serve(t, a, (&fakes{}).handlers())
	join := wire.JoinRequest{Csr: []byte(strings.Repeat("x", maxStrangerMessage))}
	_, err := wire.NewAuthorityClient(rawConn(t, h.addr, nil)).Join(t.Context(), &join)
	require.ErrorContains(t, err, "larger than max")
	d := dialer(t, a.keys(ours, w1, model.RoleWorker))
	_, err = d.Renew(t.Context(), h.manager(), join.Csr)
	require.NoError(t, err)
	_, err = d.Renew(t.Context(), h.manager(), make([]byte, maxMessage))
	require.ErrorContains(t, err, "larger than max")
}
