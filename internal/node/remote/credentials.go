package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
)

// memberTLS is the TLS towards a manager of this node's cluster: towards node, unless that is zero.
func memberTLS(keys identity.Keys, node model.ID, now func() time.Time) (*tls.Config, error) {
	c, err := keys.Client(model.RoleManager)
	if err != nil {
		return nil, err
	}
	own, err := identity.ParseCert(keys.Cert)
	if err != nil {
		return nil, err
	}
	me, err := identity.PeerOf(own)
	if err != nil {
		return nil, err
	}
	c.Time = now
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		p, err := identity.PeerOf(cs.PeerCertificates[0])
		switch {
		case err != nil:
			return err
		case p.Cluster != me.Cluster:
			return fmt.Errorf("%w: it belongs to cluster %s", errWrongPeer, p.Cluster)
		case !node.IsZero() && p.Node != node:
			return fmt.Errorf("%w: node %s was expected there, and it is %s", errWrongPeer, node, p.Node)
		}
		return nil
	}
	return c, nil
}

// nodeTLS is the TLS towards a node of this node's cluster, whatever its role.
func nodeTLS(keys identity.Keys, node model.ID, now func() time.Time) (*tls.Config, error) {
	c, err := memberTLS(keys, node, now)
	if err == nil {
		c.ServerName = node.String()
	}
	return c, err
}

var errWrongPeer = errors.New("another node answers at that address")

// watched are a client's credentials that remember what became of the newest handshake: gRPC tells of it in text only.
type watched struct {
	credentials.TransportCredentials
	note *note
}

func watch(c *tls.Config, n *note) credentials.TransportCredentials {
	return watched{credentials.NewTLS(c), n}
}

func (w watched) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := w.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		w.note.failed(err)
		return nil, nil, err
	}
	t, ok := info.(credentials.TLSInfo)
	if ok && len(t.State.PeerCertificates) > 0 {
		w.note.succeeded(t.State.PeerCertificates[0].NotAfter)
	}
	return &notedConn{c, w.note}, info, nil
}

func (w watched) Clone() credentials.TransportCredentials {
	return watched{w.TransportCredentials.Clone(), w.note}
}

// notedConn notes a server's refusal of this client's certificate: with TLS 1.3 it comes after the handshake.
type notedConn struct {
	net.Conn
	note *note
}

func (c *notedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		c.note.failed(err)
	}
	return n, err
}

// note is what is known of a connection's newest handshake.
type note struct {
	mu       sync.Mutex
	err      error
	notAfter time.Time // of the other end's certificate
}

func (n *note) failed(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
}

func (n *note) succeeded(notAfter time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err, n.notAfter = nil, notAfter
}

// get returns until when the other end's certificate is valid, and why the newest handshake failed, if it did.
func (n *note) get() (notAfter time.Time, failure error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.notAfter, n.err
}

// inWords says what a failed handshake means; nil when there is nothing better to say than the error itself.
func inWords(err error, now time.Time) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if why := identity.CheckClock(invalid.Cert, now); why != nil {
			return fmt.Errorf("its certificate: %w", why)
		}
	case errors.As(err, &unknown):
		return errors.New("its certificate is of another authority than this node's cluster")
	case errors.As(err, &name):
		return errors.New("the node there has no manager's certificate")
	case errors.Is(err, errWrongPeer):
		return err
	case strings.Contains(err.Error(), "remote error: tls: expired certificate"):
		return errors.New("it says that this node's certificate has ended; check the clocks of both, or let this node leave and join again")
	case strings.Contains(err.Error(), "remote error: tls: "):
		return errors.New("it does not accept this node's certificate: it is of another authority, or one that was replaced")
	}
	return nil
}
