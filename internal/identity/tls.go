package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/skep-org/skep/internal/model"
)

// Keys are a node's certificate with its key and the roots it trusts, in PEM.
type Keys struct{ Cert, Key, Roots []byte }

// Server is the TLS of a node's port. A client without a certificate is let in, for it may be about to join: what it may
// call is decided call by call; one with a certificate of another authority is not.
func (k Keys) Server() (*tls.Config, error) {
	cert, pool, err := k.load()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool, NextProtos: []string{"h2"},
	}, nil
}

// Client is the TLS towards another node of the cluster that must have a role.
func (k Keys) Client(role model.Role) (*tls.Config, error) {
	cert, pool, err := k.load()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, RootCAs: pool,
		ServerName: Unit(role), NextProtos: []string{"h2"},
	}, nil
}

func (k Keys) load() (tls.Certificate, *x509.CertPool, error) {
	cert, err := tls.X509KeyPair(k.Cert, k.Key)
	if err != nil {
		return cert, nil, fmt.Errorf("this node's certificate and key do not fit together: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(k.Roots) {
		return cert, nil, errors.New("the cluster's root certificate cannot be read")
	}
	return cert, pool, nil
}

// Stranger is the TLS of a node that joins: it has no certificate, and of the cluster it knows only the digest of the
// root in its token. roots is nil for the call that fetches the root, whose digest the caller checks before it
// believes anything else.
func Stranger(roots []byte) (*tls.Config, error) {
	if roots == nil {
		return &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, NextProtos: []string{"h2"}}, nil //nolint:gosec // see above
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(roots) {
		return nil, errors.New("the cluster's root certificate cannot be read")
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: UnitManager, NextProtos: []string{"h2"}}, nil
}
