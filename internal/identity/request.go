package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/skep-org/skep/internal/model"
)

// ErrBadRequest is returned for a certificate request the authority does not sign.
var ErrBadRequest = errors.New("not a certificate request: a PKCS #10 request in PEM, signed with an ECDSA P-256 key, is needed")

// NewRequest makes a node's key and asks for a certificate of it. What the certificate says is the authority's to
// decide, so the request names nothing.
func NewRequest(rand io.Reader) (csr, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return nil, nil, fmt.Errorf("make this node's key: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand, &x509.CertificateRequest{}, k)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for a certificate: %w", err)
	}
	if key, err = encodeKey(k); err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), key, nil
}

// Sign certifies the key of a request for a node. Nothing else of the request is believed.
func (r Root) Sign(rand io.Reader, now time.Time, csr []byte, cluster, node model.ID, role model.Role, lifetime time.Duration) (NodeCert, error) {
	req, pub, err := parseRequest(csr)
	if err != nil {
		return NodeCert{}, err
	}
	if req.CheckSignature() != nil {
		return NodeCert{}, ErrBadRequest
	}
	return r.certify(rand, now, pub, cluster, node, role, lifetime)
}

// KeyDigest is the SHA-256 of the public key that a request is for.
func KeyDigest(csr []byte) ([]byte, error) {
	req, _, err := parseRequest(csr)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(req.RawSubjectPublicKeyInfo)
	return sum[:], nil
}

func parseRequest(csr []byte) (*x509.CertificateRequest, *ecdsa.PublicKey, error) {
	block, _ := pem.Decode(csr)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, nil, ErrBadRequest
	}
	req, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, nil, ErrBadRequest
	}
	pub, ok := req.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, nil, ErrBadRequest
	}
	return req, pub, nil
}
