package cfssl

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/skep-org/skep/internal/identity"
)

const (
	// reachWait bounds the look whether an authority is there, signWait a signature; both are swarm's own.
	reachWait = 5 * time.Second
	signWait  = 5 * time.Second
	maxAnswer = 1 << 20
)

// Client calls external authorities with the node's own certificate.
type Client struct {
	Keys func() identity.Keys
	Now  func() time.Time

	verify func(*tls.Config) // a test's, whose authority has no address in its certificate; nil: as it is
}

// Sign asks one authority after the other until one has signed.
func (c Client) Sign(ctx context.Context, urls []string, cert identity.External) ([]byte, error) {
	body, err := json.Marshal(request(cert))
	if err != nil {
		return nil, err
	}
	conf, err := c.tls(cert.TrustedServer)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	why := errors.New("no external certificate authority is named for the cluster's root certificate")
	for _, u := range urls {
		var signed []byte
		if signed, why = post(ctx, &http.Client{Transport: transport}, u, body); why == nil {
			return signed, nil
		}
	}
	return nil, why
}

// Reach makes a handshake and nothing more.
func (c Client) Reach(ctx context.Context, where string, roots []byte) error {
	u, err := url.Parse(where)
	if err != nil {
		return err
	}
	if u.Scheme != "https" {
		return errors.New("invalid HTTP scheme")
	}
	conf, err := c.tls(roots)
	if err != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: reachWait}, Config: conf}
	ctx, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// tls shows the node's certificate and believes the roots only.
func (c Client) tls(roots []byte) (*tls.Config, error) {
	keys := c.Keys()
	own, err := tls.X509KeyPair(keys.Cert, keys.Key)
	if err != nil {
		return nil, fmt.Errorf("this node's certificate and key do not fit together: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, RootCAs: pool, Time: c.Now}
	if c.verify != nil {
		c.verify(conf)
	}
	return conf, nil
}

func post(ctx context.Context, client *http.Client, where string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, signWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the external certificate authority at %q: %w", where, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the external certificate authority cannot be asked: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the external certificate authority at %s: its answer broke off: %w", where, err)
	}
	signed, err := read(resp.StatusCode, text)
	if err != nil {
		return nil, fmt.Errorf("the external certificate authority at %s: %w", where, err)
	}
	return signed, nil
}

// answer is what an authority says.
type answer struct {
	Success bool
	Result  struct{ Certificate string }
	Errors  []struct {
		Code    int
		Message string
	}
}

func read(status int, text []byte) ([]byte, error) {
	var a answer
	err := json.Unmarshal(text, &a)
	switch {
	case err == nil && len(a.Errors) > 0:
		return nil, fmt.Errorf("it refused to sign: %s (%d)", a.Errors[0].Message, a.Errors[0].Code)
	case status != http.StatusOK:
		return nil, fmt.Errorf("it answered with status %d", status)
	case err != nil:
		return nil, fmt.Errorf("its answer cannot be read: %w", err)
	case !a.Success || a.Result.Certificate == "":
		return nil, errors.New("its answer has no certificate")
	}
	return []byte(a.Result.Certificate), nil
}

type subject struct {
	CN    string `json:"CN"`
	Names []name `json:"names"`
}

type name struct {
	C  string `json:"C,omitempty"`
	ST string `json:"ST,omitempty"`
	L  string `json:"L,omitempty"`
	O  string `json:"O,omitempty"`
	OU string `json:"OU,omitempty"`
}

type extension struct {
	ID       string `json:"id"`
	Critical bool   `json:"critical"`
	Value    string `json:"value"` // hexadecimal
}

type signRequest struct {
	Hosts      []string    `json:"hosts"`
	Request    string      `json:"certificate_request"`
	Subject    subject     `json:"subject"`
	Profile    string      `json:"profile"`
	Label      string      `json:"label"`
	CRL        string      `json:"crl_override"`
	Extensions []extension `json:"extensions,omitempty"`
}

func request(cert identity.External) signRequest {
	out := signRequest{Hosts: cert.Hosts, Request: string(cert.CSR), Profile: cert.Profile, Subject: subject{CN: cert.CN}}
	for _, n := range cert.Names {
		out.Subject.Names = append(out.Subject.Names, name{
			C: first(n.Country), ST: first(n.Province), L: first(n.Locality), O: first(n.Organization), OU: first(n.OrganizationalUnit),
		})
	}
	for _, e := range cert.Extensions {
		out.Extensions = append(out.Extensions, extension{e.Id.String(), e.Critical, hex.EncodeToString(e.Value)})
	}
	return out
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
