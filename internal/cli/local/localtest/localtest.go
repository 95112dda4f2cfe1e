package localtest

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Serve has h answer until the test ends, and returns what --host has to say.
func Serve(t testing.TB, h http.Handler) (host string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "skep") //nolint:usetesting // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", socket)
	require.NoError(t, err)
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(s.Close)
	return "unix://" + socket
}

// version is what a client of Docker's API puts before a path.
var version = regexp.MustCompile(`^/v[0-9.]+`)

// Path is a path of the API without its version.
func Path(path string) string { return version.ReplaceAllString(path, "") }

// Answer writes v as the API does.
func Answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

// Refuse writes an error as the API does.
func Refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	Answer(w, map[string]string{"message": why})
}
