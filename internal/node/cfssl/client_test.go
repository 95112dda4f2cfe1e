package cfssl

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/identity"
	"github.com/skep-org/skep/internal/model"
	"github.com/stretchr/testify/require"
)

// ca is an authority that speaks the protocol, as a test plays it.
type ca struct {
	root  identity.Root
	got   map[string]any
	says  string // instead of a certificate
	state int
}

func (a *ca) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	a.got = nil
	_ = json.Unmarshal(raw, &a.got)
	if a.says != "" {
		w.WriteHeader(a.state)
		_, _ = io.WriteString(w, a.says)
		return
	}
	csr, _ := a.got["certificate_request"].(string)
	cert, err := a.root.Sign(rand.Reader, time.Now(), []byte(csr), model.NumID(7), model.NumID(9), model.RoleWorker, time.Hour)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"success": true, "result": map[string]string{"certificate": string(cert.Cert)}, "errors": []any{}, "messages": []any{}})
}

func start(t *testing.T) (*ca, *httptest.Server, Client) {
	root, err := identity.NewRoot(rand.Reader, time.Now())
	require.NoError(t, err)
	cert := func(role model.Role) identity.Keys {
		c, err := root.Issue(rand.Reader, time.Now(), model.NumID(7), model.NumID(1), role, time.Hour)
		require.NoError(t, err)
		return identity.Keys{Cert: c.Cert, Key: c.Key, Roots: root.Cert}
	}
	own := cert(model.RoleManager)
	conf, err := own.Server()
	require.NoError(t, err)
	conf.ClientAuth, conf.NextProtos = tls.RequireAndVerifyClientCert, nil
	a := &ca{root: root}
	s := httptest.NewUnstartedServer(a)
	s.TLS, s.Config.ErrorLog = conf, log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return a, s, Client{Keys: func() identity.Keys { return own }, Now: time.Now}
}

func TestSign(t *testing.T) {
	a, s, c := start(t)
	csr, _, err := identity.NewRequest(rand.Reader)
	require.NoError(t, err)
	ask := identity.ForNode(csr, model.NumID(7), model.NumID(9), model.RoleWorker)
	ask.TrustedServer = a.root.Cert

	_, err = c.Sign(t.Context(), []string{s.URL}, ask)
	require.ErrorContains(t, err, "certificate", "a certificate without the server's address is not believed")

	c.verify = func(conf *tls.Config) { conf.ServerName = identity.UnitManager }
	signed, err := c.Sign(t.Context(), []string{"https://127.0.0.1:1/", s.URL}, ask)
	require.NoError(t, err, "the second one is asked when the first does not answer")
	_, err = identity.CheckIssued(signed, csr, a.root.Cert, model.NumID(7), model.NumID(9), model.RoleWorker)
	require.NoError(t, err)
	require.Equal(t, []any{identity.UnitWorker, model.NumID(9).String()}, a.got["hosts"])
	require.Equal(t, map[string]any{"CN": model.NumID(9).String(),
		"names": []any{map[string]any{"O": model.NumID(7).String(), "OU": identity.UnitWorker}}}, a.got["subject"])

	for says, want := range map[string]string{
		`{"success":false,"errors":[{"code":5300,"message":"policy"}]}`: "it refused to sign: policy (5300)",
		`{"success":true,"result":{}}`:                                  "its answer has no certificate",
		`hello`:                                                         "its answer cannot be read",
	} {
		a.says, a.state = says, http.StatusOK
		_, err = c.Sign(t.Context(), []string{s.URL}, ask)
		require.ErrorContains(t, err, want)
	}
	a.says, a.state = "{}", http.StatusTeapot
	_, err = c.Sign(t.Context(), []string{s.URL}, ask)
	require.ErrorContains(t, err, "it answered with status 418")
}

func TestReach(t *testing.T) {
	a, s, c := start(t)
	c.verify = func(conf *tls.Config) { conf.ServerName = identity.UnitManager }
	require.NoError(t, c.Reach(t.Context(), s.URL, a.root.Cert))
	require.EqualError(t, c.Reach(t.Context(), "http://127.0.0.1:1/", a.root.Cert), "invalid HTTP scheme")
	other, err := identity.NewRoot(rand.Reader, time.Now())
	require.NoError(t, err)
	require.ErrorContains(t, c.Reach(t.Context(), s.URL, other.Cert), "unknown authority")
	require.Error(t, c.Reach(t.Context(), "https://127.0.0.1:1/", a.root.Cert))
}
