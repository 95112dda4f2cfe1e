package identity

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNodeCertificateNamesNodeRoleAndCluster(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	root, err := NewRoot(rand.Reader, now)
	require.NoError(t, err)
	nc, err := root.Issue(rand.Reader, now, model.NumID(7), model.NumID(9), model.RoleManager, 90*24*time.Hour)
	require.NoError(t, err)

	cert, err := ParseCert(nc.Cert)
	require.NoError(t, err)
	require.Equal(t, model.NumID(9).String(), cert.Subject.CommonName)
	require.Equal(t, []string{UnitManager}, cert.Subject.OrganizationalUnit)
	require.Equal(t, []string{model.NumID(7).String()}, cert.Subject.Organization)

	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(root.Cert))
	_, err = cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	require.NoError(t, err)
	_, err = cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: nc.NotAfter.Add(time.Second)})
	require.Error(t, err, "it must end")
	_, err = tls.X509KeyPair(nc.Cert, nc.Key)
	require.NoError(t, err)
}

func TestForeignRootDoesNotVerify(t *testing.T) {
	now := time.Now()
	a, err := NewRoot(rand.Reader, now)
	require.NoError(t, err)
	b, err := NewRoot(rand.Reader, now)
	require.NoError(t, err)
	_, err = Root{Cert: a.Cert, Key: b.Key}.Issue(rand.Reader, now, model.NumID(1), model.NumID(2), model.RoleWorker, time.Hour)
	require.ErrorIs(t, err, ErrBadRoot)
	require.NotEqual(t, Digest(a.Cert), Digest(b.Cert))
}

func TestTokenRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var random [16]byte
		copy(random[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "random"))
		pem := rapid.SliceOf(rapid.Byte()).Draw(t, "pem")
		digest, secret, err := ParseToken(Token(Digest(pem), Secret(random)))
		require.NoError(t, err)
		require.Equal(t, Digest(pem), digest)
		require.Equal(t, Secret(random), secret)
	})
	for _, bad := range []string{"", "SWMTKN-1-", "SWMTKN-2-a-b", "SWMTKN-1-abc-def", Token(Digest(nil), "UPPERCASEUPPERCASEUPPERCA")} {
		_, _, err := ParseToken(bad)
		require.ErrorIs(t, err, ErrBadToken, bad)
	}
}
