package identity

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/stretchr/testify/require"
)

// keysOf makes the keys of node 9 in cluster 7.
func keysOf(t *testing.T, root Root, role model.Role, lifetime time.Duration) Keys {
	t.Helper()
	c, err := root.Issue(rand.Reader, time.Now(), model.NumID(7), model.NumID(9), role, lifetime)
	require.NoError(t, err)
	return Keys{Cert: c.Cert, Key: c.Key, Roots: root.Cert}
}

func newRoot(t *testing.T) Root {
	t.Helper()
	r, err := NewRoot(rand.Reader, time.Now())
	require.NoError(t, err)
	return r
}

// shake makes a handshake and carries a byte each way, since with TLS 1.3 a client learns of its refusal only then. It
// returns what the server saw.
func shake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	a, b := net.Pipe()
	s, c := tls.Server(a, server), tls.Client(b, client)
	served := make(chan error, 1)
	go func() {
		err := s.HandshakeContext(context.Background())
		if err == nil {
			_, err = s.Write([]byte{1})
		}
		served <- errors.Join(err, a.Close())
	}()
	_, err := c.Read(make([]byte, 1))
	err = errors.Join(err, <-served)
	_ = b.Close()
	return s.ConnectionState(), err
}

func TestHandshakes(t *testing.T) {
	ours, foreign := newRoot(t), newRoot(t)
	manager, worker := keysOf(t, ours, model.RoleManager, time.Hour), keysOf(t, ours, model.RoleWorker, time.Hour)
	stranger := func(roots []byte) func() (*tls.Config, error) {
		return func() (*tls.Config, error) { return Stranger(roots) }
	}
	to := func(k Keys, role model.Role) func() (*tls.Config, error) {
		return func() (*tls.Config, error) { return k.Client(role) }
	}
	for _, c := range []struct {
		name   string
		server Keys
		client func() (*tls.Config, error)
		sees   string // the role the server sees; empty: nobody it knows
		err    string
	}{
		{"a worker calls a manager", manager, to(worker, model.RoleManager), UnitWorker, ""},
		{"a manager calls a manager", manager, to(manager, model.RoleManager), UnitManager, ""},
		{"a manager calls a worker", worker, to(manager, model.RoleWorker), UnitManager, ""},
		{"a worker answers for a manager", worker, to(manager, model.RoleManager), "", "not swarm-manager"},
		{"a client of another authority", manager, func() (*tls.Config, error) {
			k := keysOf(t, foreign, model.RoleManager, time.Hour)
			return Keys{Cert: k.Cert, Key: k.Key, Roots: ours.Cert}.Client(model.RoleManager)
		}, "", "unknown certificate authority"},
		{"a server of another authority", keysOf(t, foreign, model.RoleManager, time.Hour), to(worker, model.RoleManager), "", "unknown authority"},
		{"a client whose certificate has ended", manager, to(keysOf(t, ours, model.RoleWorker, -time.Minute), model.RoleManager), "", "expired"},
		{"a node that asks for the root", manager, stranger(nil), "", ""},
		{"a node that knows the root", manager, stranger(ours.Cert), "", ""},
		{"a node that knows another root", manager, stranger(foreign.Cert), "", "unknown authority"},
		{"a node that joins at a worker", worker, stranger(ours.Cert), "", "not swarm-manager"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, err := c.server.Server()
			require.NoError(t, err)
			client, err := c.client()
			require.NoError(t, err)
			state, err := shake(t, server, client)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, uint16(tls.VersionTLS13), state.Version)
			if c.sees == "" {
				require.Empty(t, state.VerifiedChains)
				return
			}
			require.Equal(t, []string{c.sees}, state.VerifiedChains[0][0].Subject.OrganizationalUnit)
		})
	}
}

func TestOlderTLSIsRefused(t *testing.T) {
	k := keysOf(t, newRoot(t), model.RoleManager, time.Hour)
	server, err := k.Server()
	require.NoError(t, err)
	client, err := k.Client(model.RoleManager)
	require.NoError(t, err)
	client.MinVersion, client.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	_, err = shake(t, server, client)
	require.ErrorContains(t, err, "protocol version")
}

func TestKeysThatDoNotFit(t *testing.T) {
	root := newRoot(t)
	a, b := keysOf(t, root, model.RoleWorker, time.Hour), keysOf(t, root, model.RoleWorker, time.Hour)
	_, err := Keys{Cert: a.Cert, Key: b.Key, Roots: root.Cert}.Server()
	require.ErrorContains(t, err, "do not fit together")
	_, err = Keys{Cert: a.Cert, Key: a.Key, Roots: []byte("nothing")}.Client(model.RoleManager)
	require.ErrorContains(t, err, "root certificate")
	_, err = Stranger([]byte("nothing"))
	require.ErrorContains(t, err, "root certificate")
}
