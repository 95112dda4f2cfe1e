package remote

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/wire"
)

// caller is who makes a call, and what answers it.
type caller struct {
	peer     identity.Peer
	known    bool                // it has a certificate of this cluster's authority that names a node
	roots    []byte              // that its certificate was held against last
	shown    []*x509.Certificate // its certificate, and the chain it came with
	addr     net.Addr
	rule     rule
	handlers *Handlers
}

type callerKey struct{}

// callerOf is the caller of a call that was admitted.
func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

// host is the caller's address without its port.
func (c *caller) host() string {
	if ap, err := netip.ParseAddrPort(c.addr.String()); err == nil {
		return ap.Addr().Unmap().String()
	}
	return c.addr.String()
}

// identify tells who calls.
func (s *Server) identify(ctx context.Context, method string) (*caller, error) {
	r, ok := ruleOf(method)
	if !ok {
		return nil, fault(codes.PermissionDenied, method+" may not be called", wire.Refusal_NONE)
	}
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil, unauthenticated("the call comes from nowhere")
	}
	c := &caller{addr: p.Addr, rule: r, handlers: s.handlers.Load()}
	info, ok := p.AuthInfo.(greeting)
	if ok && len(info.State.VerifiedChains) > 0 {
		var err error
		c.roots, c.shown = info.roots, info.State.PeerCertificates
		if c.peer, err = identity.PeerOf(info.State.VerifiedChains[0][0]); err != nil && !r.anybody {
			return nil, unauthenticated(err.Error())
		}
		c.known = err == nil
	}
	return c, nil
}

// check says whether the call may be made, or go on.
func (s *Server) check(c *caller) error {
	if !c.rule.anybody {
		if err := s.checkPeer(c); err != nil {
			return err
		}
	}
	switch {
	case c.rule.served(c.handlers):
		return nil
	case s.isManager():
		return fault(codes.Unavailable, "this node's manager is just starting; try again shortly", wire.Refusal_BUSY)
	}
	return fault(codes.Unavailable, "this node does not do that: it is not a manager of the cluster", wire.Refusal_NONE)
}

// isManager tells by the node's certificate whether it is one, whether or not it answers as one yet.
func (s *Server) isManager() bool {
	cert, err := identity.ParseCert(s.cfg.Keys().Cert)
	if err != nil {
		return false
	}
	self, err := identity.PeerOf(cert)
	return err == nil && self.Role == model.RoleManager
}

func (s *Server) checkPeer(c *caller) error {
	switch now := s.cfg.Env.Now(); {
	case !c.known:
		return unauthenticated("a certificate of this cluster is needed; docker swarm join gets one")
	case c.peer.Cluster != s.cfg.Cluster:
		return unauthenticated(fmt.Sprintf("node %s belongs to another cluster, %s; this is %s", c.peer.Node, c.peer.Cluster, s.cfg.Cluster))
	case now.After(c.peer.NotAfter):
		return unauthenticated(fmt.Sprintf("the certificate of node %s ended %s", c.peer.Node, c.peer.NotAfter.UTC().Format(time.RFC3339)))
	case !s.believed(c):
		return unauthenticated(fmt.Sprintf("the certificate of node %s is of an authority that was replaced; a new one is needed", c.peer.Node))
	case c.rule.need == model.RoleManager && c.peer.Role != model.RoleManager:
		return fault(codes.PermissionDenied, fmt.Sprintf("only managers may do that, and node %s has a worker's certificate", c.peer.Node), wire.Refusal_NONE)
	}
	if err := s.cfg.Allowed(c.peer, c.rule.need); err != nil {
		return fault(codes.PermissionDenied, err.Error(), refusalOf(err))
	}
	return nil
}

// believed holds the caller's certificate against the roots that are trusted now, where those were replaced since it
// connected.
func (s *Server) believed(c *caller) bool {
	now := s.cfg.Keys().Roots
	if bytes.Equal(c.roots, now) {
		return true
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(now)
	for _, cert := range c.shown[1:] {
		between.AddCert(cert)
	}
	_, err := c.shown[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: s.cfg.Env.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}

func unauthenticated(text string) error {
	return fault(codes.Unauthenticated, text, wire.Refusal_NONE)
}
