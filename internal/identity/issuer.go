package identity

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
)

// Issuer is who signed a certificate. Two certificates of one authority, as its own and one that another root gave it,
// are the same issuer.
type Issuer struct{ Subject, PublicKey []byte } // DER

// IssuerOf is the issuer that a root is.
func IssuerOf(rootPEM []byte) (Issuer, error) {
	cert, err := ParseCert(rootPEM)
	if err != nil {
		return Issuer{}, err
	}
	return Issuer{cert.RawSubject, cert.RawSubjectPublicKeyInfo}, nil
}

// Equal compares two issuers.
func (i Issuer) Equal(o Issuer) bool {
	return bytes.Equal(i.Subject, o.Subject) && bytes.Equal(i.PublicKey, o.PublicKey)
}

// Digest is short, and differs where the issuers do.
func (i Issuer) Digest() []byte {
	sum := sha256.Sum256(append(bytes.Clone(i.Subject), i.PublicKey...))
	return sum[:]
}

// Named is the issuer of a node's certificate as Docker shows it.
func Named(info swarm.TLSInfo) Issuer {
	return Issuer{info.CertIssuerSubject, info.CertIssuerPublicKey}
}

// ErrUntrusted is returned for a certificate that does not lead to the roots it should.
var ErrUntrusted = errors.New("the certificate does not lead to the cluster's root certificate")

// Issuer finds who signed the node's certificate. It fails for a certificate whose chain does not lead to the roots: no
// other node would believe it.
func (k Keys) Issuer() (Issuer, error) {
	chain, err := parseAll(k.Cert)
	if err != nil || len(chain) == 0 {
		return Issuer{}, ErrUntrusted
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(k.Roots)
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	// Whether the certificate is valid now is another question.
	at := chain[0].NotBefore.Add(min(backdate+time.Second, chain[0].NotAfter.Sub(chain[0].NotBefore)/2))
	ways, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil || len(ways[0]) < 2 {
		return Issuer{}, ErrUntrusted
	}
	by := ways[0][1]
	return Issuer{by.RawSubject, by.RawSubjectPublicKeyInfo}, nil
}

// TLSInfo is what the node says of its certificate.
func (k Keys) TLSInfo() swarm.TLSInfo {
	info := swarm.TLSInfo{TrustRoot: string(k.Roots)}
	if by, err := k.Issuer(); err == nil {
		info.CertIssuerSubject, info.CertIssuerPublicKey = by.Subject, by.PublicKey
	}
	return info
}

// Trusts reports whether the certificate would be believed by who trusts other roots.
func (k Keys) Trusts(roots []byte) bool {
	k.Roots = roots
	_, err := k.Issuer()
	return err == nil
}

// CheckIssued holds a certificate that another authority signed against what it was asked for: the key of the request,
// the node, its role and cluster, and a chain to the roots.
func CheckIssued(certs, csr, roots []byte, cluster, node model.ID, role model.Role) (NodeCert, error) {
	cert, err := ParseCert(certs)
	if err != nil {
		return NodeCert{}, errors.New("it gave no certificate")
	}
	req, pub, err := parseRequest(csr)
	if err != nil || req.CheckSignature() != nil {
		return NodeCert{}, ErrBadRequest
	}
	peer, err := PeerOf(cert)
	switch {
	case !samePublic(pub, cert.PublicKey):
		return NodeCert{}, errors.New("its certificate is of another key")
	case err != nil || peer.Node != node || peer.Cluster != cluster || peer.Role != role:
		return NodeCert{}, errors.New("its certificate does not name the node, its role and its cluster as was asked")
	case cert.IsCA:
		return NodeCert{}, errors.New("its certificate is that of an authority")
	case !(Keys{Cert: certs}).Trusts(roots):
		return NodeCert{}, ErrUntrusted
	}
	return NodeCert{Cert: Normalize(certs), NotAfter: cert.NotAfter}, nil
}
