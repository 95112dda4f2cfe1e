package listen

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
)

// TLS names the files of mutual TLS.
type TLS struct{ CACert, Cert, Key string }

// secure asks every client for a certificate signed by the authority.
func (t *TLS) secure(l net.Listener) (net.Listener, error) {
	pem, err := os.ReadFile(t.CACert)
	if err != nil {
		return nil, fmt.Errorf("read the clients' certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", t.CACert)
	}
	cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("load the server's certificate: %w", err)
	}
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"}, // hijacked streams need HTTP/1
	}), nil
}
