package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func call(t *testing.T, s *server, method, target string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.routes(t.Context()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	return w.Code, w.Body.String()
}

func TestPages(t *testing.T) {
	t.Setenv("TASK_NAME", "web.1.abc")
	var log bytes.Buffer
	s := newServer(&log)
	for _, c := range []struct {
		method, target string
		code           int
		says           string
	}{
		{"GET", "/", 200, "Env: TASK_NAME=web.1.abc\n"},
		{"GET", "/nowhere", 404, "not found"},
		{"GET", "/env", 200, "TASK_NAME=web.1.abc\n"},
		{"GET", "/health", 200, "ok"},
		{"POST", "/health?ok=false", 200, "healthy: false"},
		{"GET", "/health", 503, "sick"},
		{"POST", "/health?ok=maybe", 400, "true or false"},
		{"POST", "/health", 200, "healthy: true"},
		{"GET", "/health", 200, "ok"},
		{"GET", "/log?line=hello", 200, "logged"},
		{"GET", "/sleep?for=soon", 400, "300ms"},
		{"GET", "/exit?code=300", 400, "0 to 255"},
		{"GET", "/exit?code=3", 200, "exiting with code 3"},
		{"GET", "/exit", 409, "already exiting"},
	} {
		if code, body := call(t, s, c.method, c.target); code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d %q, want %d with %q", c.method, c.target, code, body, c.code, c.says)
		}
	}
	if log.String() != "hello\n" {
		t.Errorf("the log is %q", log.String())
	}
	if code := <-s.exit; code != 3 {
		t.Errorf("/exit?code=3 asked for %d", code)
	}
}

// TestSleepEndsWithTheServer is what makes a container stop promptly.
func TestSleepEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		began := time.Now()
		time.AfterFunc(3*time.Second, cancel)
		newServer(io.Discard).routes(ctx).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sleep?for=1h", nil))
		if took := time.Since(began); took != 3*time.Second || !strings.Contains(w.Body.String(), "woken") {
			t.Errorf("after %v: %q", took, w.Body)
		}
	})
}

// TestAskForever logs one line for each answer, errors too, and ends with its context.
func TestAskForever(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch asked++; asked {
		case 1:
			printf(w, "first line\nsecond line\n")
		case 2:
			http.Error(w, "sick", http.StatusServiceUnavailable)
		default:
			cancel()
		}
	}))
	defer s.Close()
	var log bytes.Buffer
	if err := askForever(ctx, s.URL, time.Millisecond, &log); err != nil {
		t.Fatal(err)
	}
	want := s.URL + ": first line\n" + s.URL + ": error: 503 Service Unavailable: sick\n"
	if log.String() != want {
		t.Errorf("the log is %q, want %q", log.String(), want)
	}
	if err := checkHealth(t.Context(), s.URL+"/", 0); err != nil {
		t.Errorf("a healthy server: %v", err)
	}
}
