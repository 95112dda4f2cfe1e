package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEngine speaks version 1.41 and answers with handler; front is a proxy before it.
func fakeEngine(t *testing.T, handler http.HandlerFunc) (front *httptest.Server) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "engine.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	back := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		handler(w, r)
	})}}
	back.Start()
	engine, err := NewEngine("unix://" + socket)
	if err != nil {
		t.Fatal(err)
	}
	front = httptest.NewServer(New(engine, slog.New(slog.DiscardHandler)))
	t.Cleanup(func() {
		front.Close()
		engine.Close()
		back.Close()
	})
	return front
}

func get(t *testing.T, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(raw)
}

func TestVersionIsLowered(t *testing.T) {
	front := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RequestURI) })
	for asked, want := range map[string]string{
		"/v1.56/containers/json?all=1":   "/v1.41/containers/json?all=1",
		"/v1.41/containers/json":         "/v1.41/containers/json",
		"/v1.24/containers/json":         "/v1.24/containers/json",
		"/containers/json":               "/containers/json",
		"/v1.50/images/a%2Fb/json":       "/v1.41/images/a%2Fb/json",
		"/v1.50/images/a%2Fb/json?x=%20": "/v1.41/images/a%2Fb/json?x=%20",
	} {
		if _, got := get(t, http.MethodGet, front.URL+asked, nil); got != want {
			t.Errorf("%s reached the engine as %s, want %s", asked, got, want)
		}
	}
}

func TestOutputArrivesAtOnce(t *testing.T) {
	next := make(chan struct{})
	front := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_ping" {
			return
		}
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
			w.(http.Flusher).Flush()
			<-next // the client has read the line
		}
	})
	resp, err := http.Get(front.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for range 3 {
		if !lines.Scan() {
			t.Fatal("the stream ended early")
		}
		next <- struct{}{}
	}
}

// TestHalfClose ends the client's input and expects the whole of it back afterwards, with an upgrade and
// without.
func TestHalfClose(t *testing.T) {
	front := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_ping" {
			return
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		if r.Header.Get("Upgrade") != "" {
			io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		} else {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n")
		}
		input, _ := io.ReadAll(rw) // until the client closes its side
		io.WriteString(conn, "got "+string(input))
	})
	for name, tc := range map[string]struct{ header, status string }{
		"upgrade":  {"Connection: Upgrade\r\nUpgrade: tcp\r\n", "HTTP/1.1 101 UPGRADED"},
		"hijacked": {"", "HTTP/1.1 200 OK"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", front.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "POST /v1.41/containers/x/attach HTTP/1.1\r\nHost: x\r\n%sContent-Length: 0\r\n\r\nearly ", tc.header)
			reader := bufio.NewReader(conn)
			status, err := reader.ReadString('\n')
			if err != nil || strings.TrimSpace(status) != tc.status {
				t.Fatalf("%q, %v", status, err)
			}
			io.WriteString(conn, "late")
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(reader)
			if err != nil || !strings.HasSuffix(string(rest), "\r\n\r\ngot early late") {
				t.Fatalf("%q, %v", rest, err)
			}
		})
	}
}

func TestRefusedHijackIsAnAnswer(t *testing.T) {
	front := fakeEngine(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"message":"no such container"}`)
	})
	resp, body := get(t, http.MethodPost, front.URL+"/v1.41/containers/x/attach", nil)
	if resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "no such container") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestEngineGone(t *testing.T) {
	engine, err := NewEngine("unix:///nonexistent/engine.sock")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/info", "/containers/x/attach"} {
		rec := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, nil)
		New(engine, slog.New(slog.DiscardHandler)).ServeHTTP(rec, req)
		if rec.Code != http.StatusBadGateway || strings.Count(rec.Body.String(), "cannot reach the Docker Engine at unix:///nonexistent") != 1 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
}

func TestEngineAddresses(t *testing.T) {
	for _, bad := range []string{"", "/var/run/docker.sock", "unix://", "ssh://host", "tcp://"} {
		if _, err := NewEngine(bad); err == nil {
			t.Errorf("%q is taken for an engine's address", bad)
		}
	}
}
