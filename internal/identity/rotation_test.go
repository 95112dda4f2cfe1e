package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/stretchr/testify/require"
)

// follow makes the rows of a cluster on its way from one root to the next.
func follow(t *testing.T, old, next Root) (*model.Root, *model.RootSpec) {
	t.Helper()
	cross, err := old.Cross(rand.Reader, next.Cert)
	require.NoError(t, err)
	return &model.Root{Cert: old.Cert, Private: old.Key, Digest: Digest(old.Cert)},
		&model.RootSpec{Cert: next.Cert, Private: next.Key, Cross: cross, Digest: Digest(next.Cert)}
}

func issue(t *testing.T, a Authority, trusts []byte) Keys {
	t.Helper()
	c, err := a.Issue(rand.Reader, time.Now(), model.NumID(7), model.NumID(9), model.RoleManager, time.Hour)
	require.NoError(t, err)
	return Keys{Cert: c.Cert, Key: c.Key, Roots: trusts}
}

// Nodes before, in and after a rotation believe each other, whichever root they trust; a second rotation does not lose
// those that have not heard of the first.
func TestNodesBelieveEachOtherAcrossRotations(t *testing.T) {
	first, second, third := newRoot(t), newRoot(t), newRoot(t)
	root, spec := follow(t, first, second)
	before := issue(t, Issuing(root, nil), first.Cert)
	during := issue(t, Issuing(root, spec), first.Cert)
	next := &model.Root{Cert: spec.Cert, Private: spec.Private, Digest: spec.Digest, Cross: spec.Cross}
	after := issue(t, Issuing(next, spec), second.Cert)
	_, again := follow(t, second, third)
	later := issue(t, Issuing(next, again), second.Cert)
	stale := during // it was off when the first rotation ended, and trusts the first root

	for name, pair := range map[string][2]Keys{
		"before and during": {before, during}, "during and after": {during, after},
		"stale and after": {stale, after}, "stale and a second rotation": {stale, later}, "after and a second rotation": {after, later},
	} {
		for _, way := range [][2]Keys{pair, {pair[1], pair[0]}} {
			server, err := way[0].Server()
			require.NoError(t, err)
			client, err := way[1].Client(model.RoleManager)
			require.NoError(t, err)
			_, err = shake(t, server, client)
			require.NoError(t, err, name)
		}
	}
	require.False(t, before.Trusts(second.Cert), "what the old root alone signed is believed no more")
	by, err := during.Issuer()
	require.NoError(t, err)
	is, err := IssuerOf(second.Cert)
	require.NoError(t, err)
	require.True(t, by.Equal(is), "the issuer is the new root, though the chain leads to the old one")
	require.Equal(t, string(first.Cert), during.TLSInfo().TrustRoot)
}

func TestRootsThatAreGiven(t *testing.T) {
	now := time.Now()
	make := func(days int, ca bool) Root {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		require.NoError(t, err)
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "given"}, NotBefore: now.Add(-time.Hour),
			NotAfter: now.Add(time.Duration(days) * 24 * time.Hour), IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
		require.NoError(t, err)
		sec1, err := x509.MarshalECPrivateKey(key)
		require.NoError(t, err)
		return Root{Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})}
	}
	good, other := make(4000, true), make(4000, true)
	root, err := Given(append([]byte("a comment\n"), good.Cert...), good.Key, now)
	require.NoError(t, err)
	require.Equal(t, good.Cert, root.Cert)
	old, _ := follow(t, newRoot(t), newRoot(t))
	_, spec := follow(t, Root{old.Cert, old.Private}, root)
	_, err = issue(t, Issuing(old, spec), old.Cert).Issuer()
	require.NoError(t, err, "an authority of another curve signs")

	soon := make(30, true)
	for want, c := range map[string][2][]byte{
		"if a signing CA key is provided, the signing CA cert must also be provided": {nil, good.Key},
		"certificate key mismatch":                                        {good.Cert, other.Key},
		"malformed private key: Failed to decode private key":             {good.Cert, []byte("hello")},
		"the desired CA certificate cannot contain multiple certificates": {bytes.Join([][]byte{good.Cert, other.Cert}, nil), good.Key},
		"CA certificate expires too soon":                                 {soon.Cert, soon.Key},
		"invalid root certificates: Failed to parse certificate":          {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), good.Key},
	} {
		_, err := Given(c[0], c[1], now)
		require.EqualError(t, err, want)
	}
	_, err = newRoot(t).Cross(rand.Reader, make(4000, false).Cert)
	require.ErrorIs(t, err, ErrNoCross, "a certificate that is no authority's")
}

// Of an external authority's answer only what was asked for is believed.
func TestCertificatesFromElsewhere(t *testing.T) {
	root, foreign := newRoot(t), newRoot(t)
	csr, _, err := NewRequest(rand.Reader)
	require.NoError(t, err)
	other, _, err := NewRequest(rand.Reader)
	require.NoError(t, err)
	cert := func(r Root, csr []byte, node uint64, role model.Role) []byte {
		c, err := r.Sign(rand.Reader, time.Now(), csr, model.NumID(7), model.NumID(node), role, time.Hour)
		require.NoError(t, err)
		return c.Cert
	}
	check := func(certs []byte) error {
		_, err := CheckIssued(certs, csr, root.Cert, model.NumID(7), model.NumID(9), model.RoleWorker)
		return err
	}
	require.NoError(t, check(cert(root, csr, 9, model.RoleWorker)))
	require.ErrorContains(t, check(nil), "no certificate")
	require.ErrorContains(t, check(cert(root, other, 9, model.RoleWorker)), "another key")
	require.ErrorContains(t, check(cert(root, csr, 8, model.RoleWorker)), "does not name the node")
	require.ErrorContains(t, check(cert(root, csr, 9, model.RoleManager)), "does not name the node")
	require.ErrorIs(t, check(cert(foreign, csr, 9, model.RoleWorker)), ErrUntrusted)
}

func TestWhoSignsForWhichRoot(t *testing.T) {
	present, next := newRoot(t), newRoot(t)
	list := []*swarm.ExternalCA{
		{Protocol: "cfssl", URL: "a"}, {Protocol: "cfssl", URL: "b", CACert: string(next.Cert)},
		{Protocol: "cfssl", URL: "c", CACert: "text\n" + string(present.Cert)}, {Protocol: "other", URL: "d"}, nil,
	}
	require.Equal(t, []string{"a", "c"}, URLs(list, present.Cert, present.Cert))
	require.Equal(t, []string{"b"}, URLs(list, next.Cert, present.Cert))
}
