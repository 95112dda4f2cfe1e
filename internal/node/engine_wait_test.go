package node

import (
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/env"
)

// TestUnansweredEngineIsAskedAgain: an engine that never answers one question, as while it is starting, answers the next.
func TestUnansweredEngineIsAskedAgain(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	engine := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if filepath.Base(r.URL.Path) == "info" && asked.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		_, _ = w.Write([]byte(`{"ServerVersion":"20.10.24"}`))
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = engine.Serve(l) }()
	t.Cleanup(func() { _ = engine.Close(); <-done })
	if err := awaitEngine(t.Context(), Config{Engine: "unix://" + socket}, env.Real(), slog.New(slog.DiscardHandler), 200*time.Millisecond); err != nil {
		t.Error(err)
	}
	if n := asked.Load(); n < 2 {
		t.Errorf("it was asked %d times only", n)
	}
}
