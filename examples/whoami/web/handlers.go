package web

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

type server struct {
	log       io.Writer
	sick      atomic.Bool
	checked   atomic.Bool // somebody asked for its health already
	exit      chan int    // what /exit was asked for
	next      string      // the URL of the server that has a part in the answer
	connected atomic.Int64
}

func newServer(log io.Writer) *server { return &server{log: log, exit: make(chan int, 1)} }

// routes are the pages; ctx ends when the server is told to end.
func (s *server) routes(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	if s.next == "" {
		mux.HandleFunc("GET /{$}", whoami)
	} else {
		mux.HandleFunc("GET /{$}", s.chain)
	}
	mux.HandleFunc("GET /who", who)
	mux.HandleFunc("GET /chain", s.chain)
	mux.HandleFunc("GET /bytes", manyBytes)
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) {
		env := os.Environ()
		slices.Sort(env)
		printf(w, "%s\n", strings.Join(env, "\n"))
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) { s.health(ctx, w, r) })
	mux.HandleFunc("POST /health", s.setHealth)
	mux.HandleFunc("GET /exit", s.exitWith)
	mux.HandleFunc("GET /sleep", func(w http.ResponseWriter, r *http.Request) { sleep(ctx, w, r) })
	mux.HandleFunc("GET /log", func(w http.ResponseWriter, r *http.Request) {
		printf(s.log, "%s\n", r.FormValue("line"))
		printf(w, "logged\n")
	})
	return mux
}

// printf drops the error: a client that has gone needs no answer.
func printf(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// whoami tells, one fact a line, the machine's name first so that a log of answers shows the load balancing.
func whoami(w http.ResponseWriter, r *http.Request) {
	name, err := os.Hostname()
	if err != nil {
		name = err.Error()
	}
	printf(w, "Hostname: %s\n", name)
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "TASK_") || strings.HasPrefix(kv, "SERVICE_") || strings.HasPrefix(kv, "NODE_") {
			printf(w, "Env: %s\n", kv)
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		printf(w, "IP: %v\n", err)
	}
	for _, a := range addrs {
		printf(w, "IP: %s\n", a)
	}
	printf(w, "RemoteAddr: %s\n%s %s %s\nHost: %s\n", r.RemoteAddr, r.Method, r.URL, r.Proto, r.Host)
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		printf(w, "%s: %s\n", k, strings.Join(r.Header[k], ", "))
	}
}

// health answers at once the first time and, if ?hold says so, only after that time later on, or when the server is told
// to end.
func (s *server) health(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	if hold, err := time.ParseDuration(r.FormValue("hold")); err == nil && s.checked.Swap(true) {
		select {
		case <-time.After(hold):
		case <-ctx.Done():
		case <-r.Context().Done():
		}
	}
	if s.sick.Load() {
		http.Error(w, "sick", http.StatusServiceUnavailable)
		return
	}
	printf(w, "ok\n")
}

// setHealth makes the server sick or well: POST /health?ok=false.
func (s *server) setHealth(w http.ResponseWriter, r *http.Request) {
	ok, err := strconv.ParseBool(cmp.Or(r.FormValue("ok"), "true"))
	if err != nil {
		http.Error(w, "ok is true or false", http.StatusBadRequest)
		return
	}
	s.sick.Store(!ok)
	printf(w, "healthy: %v\n", ok)
}

func (s *server) exitWith(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(cmp.Or(r.FormValue("code"), "0"))
	if err != nil || code < 0 || code > 255 {
		http.Error(w, "code is a number from 0 to 255", http.StatusBadRequest)
		return
	}
	select {
	case s.exit <- code:
		printf(w, "exiting with code %d\n", code)
	default:
		http.Error(w, "already exiting", http.StatusConflict)
	}
}

// sleep answers after a while, or at once when the server is told to end.
func sleep(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(cmp.Or(r.FormValue("for"), "1s"))
	if err != nil {
		http.Error(w, "for is a duration such as 300ms or 5s", http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(d):
		printf(w, "slept %v\n", d)
	case <-ctx.Done():
		printf(w, "woken: the server is ending\n")
	case <-r.Context().Done():
	}
}
