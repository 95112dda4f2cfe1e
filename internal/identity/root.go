package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// Root is a certificate authority in PEM. Without a key it cannot sign: an external authority has the key.
type Root struct{ Cert, Key []byte }

const (
	// rootLifetime is swarm's own: 20 years.
	rootLifetime = 20 * 365 * 24 * time.Hour
	// backdate allows for the clocks of the nodes being apart, as swarm's authority does.
	backdate = time.Hour
	rootName = "swarm-ca"
)

// ErrBadRoot is returned for a root that is not a certificate and its key.
var ErrBadRoot = errors.New("not a certificate authority: a CA certificate and its private key in PEM are needed")

// NewRoot makes a self-signed root.
func NewRoot(rand io.Reader, now time.Time) (Root, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return Root{}, fmt.Errorf("make the key of the cluster's authority: %w", err)
	}
	serial, err := newSerial(rand)
	if err != nil {
		return Root{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: rootName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(rootLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return Root{}, fmt.Errorf("sign the cluster's authority: %w", err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Root{}, err
	}
	return Root{Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: keyPEM}, nil
}

func (r Root) parse() (*x509.Certificate, crypto.Signer, error) {
	cert, err := ParseCert(r.Cert)
	if err != nil {
		return nil, nil, ErrBadRoot
	}
	key, err := parseKey(r.Key)
	if err != nil || !samePublic(key.Public(), cert.PublicKey) {
		return nil, nil, ErrBadRoot
	}
	return cert, key, nil
}

func samePublic(a, b any) bool {
	pub, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(b)
}

// ParseCert reads the first certificate of a PEM text.
func ParseCert(b []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func newSerial(rand io.Reader) (*big.Int, error) {
	var b [16]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	b[0] &= 0x7f // a serial number is positive and at most 20 bytes (RFC 5280, 4.1.2.2)
	b[15] |= 1
	return new(big.Int).SetBytes(b[:]), nil
}
