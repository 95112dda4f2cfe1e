package remote

import (
	"context"
	"crypto/tls"
	"fmt"

	"google.golang.org/grpc"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/wire"
)

// Join asks the manager at addr to take this node into its cluster. The token says which cluster that is: what does not
// prove to be it learns nothing of the token's secret.
func Join(ctx context.Context, e env.Env, addr string, req *wire.JoinRequest) (*wire.JoinReply, error) {
	digest, _, err := identity.ParseToken(req.Token)
	if err != nil {
		return nil, err
	}
	var roots []byte
	err = asStranger(ctx, e, addr, nil, func(c wire.AuthorityClient) error {
		reply, err := c.Root(ctx, &wire.RootRequest{})
		roots = reply.GetRoots()
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(roots) == 0 || identity.Digest(roots) != digest {
		return nil, fmt.Errorf("the manager at %s: %w", addr, ErrTokenDigest)
	}
	var reply *wire.JoinReply
	err = asStranger(ctx, e, addr, roots, func(c wire.AuthorityClient) error {
		reply, err = c.Join(ctx, req)
		return err
	})
	return reply, err
}

// asStranger makes a call without a certificate. With roots the manager has to prove that it is one of theirs.
func asStranger(ctx context.Context, e env.Env, addr string, roots []byte, f func(wire.AuthorityClient) error) error {
	c, err := identity.Stranger(roots)
	if err != nil {
		return err
	}
	c.Time = e.Now
	// The sentence about a clock that is off comes from here: nothing else was checked of the first certificate.
	if roots == nil {
		c.VerifyConnection = func(cs tls.ConnectionState) error {
			return identity.CheckClock(cs.PeerCertificates[0], e.Now())
		}
	}
	n := &note{}
	to := Manager{Addr: addr}
	var cc *grpc.ClientConn
	if cc, err = connect(addr, watch(c, n), dialTCP); err != nil {
		return err
	}
	l := &link{cc: cc, to: to, note: n, clock: e, retired: make(chan struct{})}
	defer l.retire()
	if err := l.stand(ctx); err != nil {
		return err
	}
	if err := f(wire.NewAuthorityClient(cc)); err != nil {
		if e, ok := answer(err); ok {
			return e
		}
		return broken(to, err)
	}
	return nil
}
