package docker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
)

// TestWhoseFault: which answers of an engine are the task's own and which say nothing about it.
func TestWhoseFault(t *testing.T) {
	for _, c := range []struct {
		name        string
		answer      http.HandlerFunc
		unavailable bool
	}{
		{"bad request", says(400, `{"message":"invalid mount config"}`), false},
		{"no such thing", says(404, `{"message":"no such container"}`), false},
		{"conflict", says(409, `{"message":"name in use"}`), false},
		{"engine's own error", says(500, `{"message":"port is already allocated"}`), false},
		{"words without JSON", says(500, "oh"), false},
		{"containerd away", says(500, `{"message":"rpc error: code = Unavailable desc = transport is closing"}`), true},
		{"unavailable", says(503, `{"message":"starting"}`), true},
		{"breaks off before the answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		{"breaks off inside the answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"Id":"x`)
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/_ping") {
					w.Header().Set("Api-Version", "1.41")
					return
				}
				c.answer(w, r)
			}))
			defer server.Close()
			e, err := New(Options{Host: "tcp://" + server.Listener.Addr().String(), Env: env.Real()})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = e.Close() }()
			_, err = e.List(t.Context())
			if err == nil || errors.Is(err, executor.ErrUnavailable) != c.unavailable {
				t.Errorf("list: %v; want an error that is ErrUnavailable: %v", err, c.unavailable)
			}
			if strings.Contains(err.Error(), "Error response") {
				t.Errorf("list: %v: the client's preface is still there", err)
			}
			err = e.Watch(t.Context(), func() {}, nil)
			if err == nil || errors.Is(err, executor.ErrUnavailable) != c.unavailable {
				t.Errorf("watch: %v; want an error that is ErrUnavailable: %v", err, c.unavailable)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		e, err := New(Options{Host: "unix:///nowhere/docker.sock", Env: env.Real()})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = e.Close() }()
		if _, err := e.List(t.Context()); !errors.Is(err, executor.ErrUnavailable) {
			t.Errorf("list: %v, want ErrUnavailable", err)
		}
	})
	t.Run("the caller gave up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := called(ctx.Err()); !errors.Is(err, executor.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want both ErrUnavailable and the context's error", err)
		}
	})
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}
