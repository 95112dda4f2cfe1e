package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func sign(t *testing.T, r Root, csr []byte) (NodeCert, error) {
	t.Helper()
	return r.Sign(rand.Reader, time.Now(), csr, model.NumID(7), model.NumID(9), model.RoleWorker, time.Hour)
}

func TestSignedRequest(t *testing.T) {
	root := newRoot(t)
	csr, key, err := NewRequest(rand.Reader)
	require.NoError(t, err)
	cert, err := sign(t, root, csr)
	require.NoError(t, err)
	require.Empty(t, cert.Key, "the node's key never leaves the node")
	_, err = tls.X509KeyPair(cert.Cert, key)
	require.NoError(t, err)
	parsed, err := ParseCert(cert.Cert)
	require.NoError(t, err)
	p, err := PeerOf(parsed)
	require.NoError(t, err)
	require.Equal(t, Peer{Node: model.NumID(9), Cluster: model.NumID(7), Role: model.RoleWorker, NotAfter: parsed.NotAfter}, p)
}

// A request may ask for anything: the certificate says what the authority says.
func TestNothingOfARequestIsBelieved(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: model.NumID(1).String(), OrganizationalUnit: []string{UnitManager}, Organization: []string{model.NumID(2).String()}},
		DNSNames: []string{UnitManager, "example.com"},
	}, key)
	require.NoError(t, err)
	cert, err := sign(t, newRoot(t), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	require.NoError(t, err)
	parsed, err := ParseCert(cert.Cert)
	require.NoError(t, err)
	p, err := PeerOf(parsed)
	require.NoError(t, err)
	require.Equal(t, model.NumID(9), p.Node)
	require.Equal(t, model.RoleWorker, p.Role)
	require.NotContains(t, parsed.DNSNames, UnitManager)
	require.NotContains(t, parsed.DNSNames, "example.com")
	require.False(t, parsed.IsCA)
}

func TestRequestsThatAreNotSigned(t *testing.T) {
	root := newRoot(t)
	csr, _, err := NewRequest(rand.Reader)
	require.NoError(t, err)
	request := func(key any) []byte {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		require.NoError(t, err)
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	block, _ := pem.Decode(csr)
	block.Bytes[len(block.Bytes)-1] ^= 1
	for name, bad := range map[string][]byte{
		"nothing": nil, "no PEM": []byte("hello"), "a certificate": root.Cert, "another curve": request(other), "RSA": request(rsaKey),
		"a broken signature": pem.EncodeToMemory(block), "rubbish": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte{1, 2}}),
	} {
		_, err := sign(t, root, bad)
		require.ErrorIs(t, err, ErrBadRequest, name)
	}
}

func TestPeerOfForeignCertificates(t *testing.T) {
	id := model.NumID(5).String()
	for name, s := range map[string]pkix.Name{
		"empty":          {},
		"a name":         {CommonName: "example.com", Organization: []string{id}, OrganizationalUnit: []string{UnitWorker}},
		"no cluster":     {CommonName: id, OrganizationalUnit: []string{UnitWorker}},
		"two clusters":   {CommonName: id, Organization: []string{id, id}, OrganizationalUnit: []string{UnitWorker}},
		"empty cluster":  {CommonName: id, Organization: []string{""}, OrganizationalUnit: []string{UnitWorker}},
		"two roles":      {CommonName: id, Organization: []string{id}, OrganizationalUnit: []string{UnitWorker, UnitManager}},
		"a foreign role": {CommonName: id, Organization: []string{id}, OrganizationalUnit: []string{"swarm-ca"}},
	} {
		_, err := PeerOf(&x509.Certificate{Subject: s})
		require.ErrorIs(t, err, ErrNotNode, name)
	}
	root, err := ParseCert(newRoot(t).Cert)
	require.NoError(t, err)
	_, err = PeerOf(root)
	require.ErrorIs(t, err, ErrNotNode, "the authority is no node")
}

// A certificate is renewed in the middle of its life, never near its end, however the lot falls.
func TestRenewAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "from"), 0)
		life := time.Duration(rapid.Int64Range(int64(time.Hour), int64(10*365*24*time.Hour)).Draw(t, "life"))
		at := RenewAt(&x509.Certificate{NotBefore: from, NotAfter: from.Add(life)}, rapid.Float64Range(0, 1).Draw(t, "fraction"))
		if at.Before(from.Add(life/2-time.Second)) || at.After(from.Add(life*4/5+time.Second)) {
			t.Fatalf("a certificate of %v would be renewed after %v", life, at.Sub(from))
		}
	})
}

func TestCheckClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cert := &x509.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	require.NoError(t, CheckClock(cert, now))
	require.EqualError(t, CheckClock(cert, now.Add(-2*time.Hour)),
		"the certificate is valid from 2026-01-02T02:04:05Z on, and this node's clock says 2026-01-02T01:04:05Z: set the clock")
	require.EqualError(t, CheckClock(cert, now.Add(2*time.Hour)),
		"the certificate ended 2026-01-02T04:04:05Z, and this node's clock says 2026-01-02T05:04:05Z: set the clock, or let the node leave and join again")
}
