package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// ErrNoCross is returned where one root cannot certify another.
var ErrNoCross = errors.New("unable to generate a cross-signed certificate for root rotation")

// Cross certifies another root by this one: who trusts this root trusts, with the certificate returned, what the other
// one signs. It is valid while both roots are.
func (r Root) Cross(rand io.Reader, other []byte) ([]byte, error) {
	own, key, err := r.parse()
	if err != nil {
		return nil, err
	}
	to, err := ParseCert(other)
	if err != nil || !to.IsCA {
		return nil, ErrNoCross
	}
	serial, err := newSerial(rand)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, RawSubject: to.RawSubject, Subject: to.Subject, SubjectKeyId: to.SubjectKeyId,
		NotBefore: own.NotBefore, NotAfter: to.NotAfter, IsCA: true, BasicConstraintsValid: true, KeyUsage: to.KeyUsage | x509.KeyUsageCertSign,
	}
	if own.NotAfter.Before(tmpl.NotAfter) {
		tmpl.NotAfter = own.NotAfter
	}
	der, err := x509.CreateCertificate(rand, tmpl, own, to.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCross, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// CrossRequest asks another authority, which has this root's predecessor, to certify this root.
func (r Root) CrossRequest(rand io.Reader) (csr []byte, err error) {
	own, key, err := r.parse()
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand, &x509.CertificateRequest{RawSubject: own.RawSubject}, key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCross, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// Constraints is the extension that makes this root's certificate an authority's, for a request that has to name it.
func (r Root) Constraints() (pkix.Extension, error) {
	own, err := ParseCert(r.Cert)
	if err != nil {
		return pkix.Extension{}, err
	}
	for _, ext := range own.Extensions {
		if ext.Id.String() == "2.5.29.19" {
			return ext, nil
		}
	}
	return pkix.Extension{}, ErrNoCross
}

// CheckCross holds a certificate that came from elsewhere against what it was asked for: this root, certified by the
// other one.
func (r Root) CheckCross(cross, by []byte) error {
	own, err := ParseCert(r.Cert)
	if err != nil {
		return err
	}
	got, err := ParseCert(cross)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoCross, err)
	}
	parent, err := ParseCert(by)
	switch {
	case err != nil:
		return err
	case !samePublic(got.PublicKey, own.PublicKey), string(got.RawSubject) != string(own.RawSubject), !got.IsCA:
		return fmt.Errorf("%w: it is not of the new root", ErrNoCross)
	case got.CheckSignatureFrom(parent) != nil:
		return fmt.Errorf("%w: it is not signed by the present root", ErrNoCross)
	}
	return nil
}
