package listen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, host string, o Options) net.Listener {
	t.Helper()
	l, err := Open(host, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l[0].Close() })
	return l[0]
}

func TestUnixModeAndName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "below", "skep.sock")
	l := open(t, "unix://"+path, Options{Group: "a-group-that-is-not-there"})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("%v, %v", info, err)
	}
	if l.Addr().String() != path {
		t.Errorf("address %s", l.Addr())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 0 {
		t.Errorf("left over: %v", entries)
	}
}

func TestUnixLiveIsRefusedStaleReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "skep.sock")
	first := open(t, "unix://"+path, Options{})
	if _, err := Open("unix://"+path, Options{}); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Fatalf("a live socket: %v", err)
	}
	first.(*unixListener).UnixListener.Close() // as a killed process leaves it
	second := open(t, "unix://"+path, Options{})
	go func() {
		if conn, err := second.Accept(); err == nil {
			conn.Close()
		}
	}()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the replaced socket: %v", err)
	}
	conn.Close()
}

func TestUnixSparesFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("unix://"+path, Options{}); err == nil {
		t.Fatal("a file was replaced")
	}
	if got, _ := os.ReadFile(path); string(got) != "x" {
		t.Errorf("the file is %q", got)
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct{ host, want string }{
		{"tcp://127.0.0.1:0", "root on every node"},
		{"ssh://host", "none of"},
		{"fd://", "none were"},
	} {
		if _, err := Open(tc.host, Options{}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.host, err)
		}
	}
	open(t, "tcp://127.0.0.1:0", Options{InsecureTCP: true})
}

// TestMutualTLS lets in a client with a certificate of the authority, and no other.
func TestMutualTLS(t *testing.T) {
	dir := t.TempDir()
	cert := selfSigned(t, dir)
	files := &TLS{CACert: filepath.Join(dir, "cert.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	l := open(t, "tcp://127.0.0.1:0", Options{TLS: files})
	results := make(chan error, 2)
	go func() {
		for range 2 {
			conn, err := l.Accept()
			if err != nil {
				results <- err
				continue
			}
			results <- conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	}()
	for _, tc := range []struct {
		name  string
		certs []tls.Certificate
		ok    bool
	}{{"with", []tls.Certificate{cert}, true}, {"without", nil, false}} {
		// The test is about the clients; the server is known.
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{Certificates: tc.certs, InsecureSkipVerify: true})
		if err == nil {
			defer conn.Close()
		}
		if err := <-results; (err == nil) != tc.ok {
			t.Errorf("a client %s certificate: %v", tc.name, err)
		}
	}
}

func selfSigned(t *testing.T, dir string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
