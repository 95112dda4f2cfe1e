package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/api/proxy"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

// lister has skep's API over a state in memory, and the same answers ready, on sockets of their own.
type lister struct {
	dir         string
	skep, ready string // sockets
	count       *counted
	end         []func() error
}

func newLister(dir string) (*lister, error) {
	l := &lister{dir: dir, skep: filepath.Join(dir, "skep.sock"), ready: filepath.Join(dir, "ready.sock")}
	st := store.New()
	self, err := fillLists(st)
	if err != nil {
		return nil, err
	}
	backend := filepath.Join(dir, "engine.sock")
	if err := l.serve(backend, http.HandlerFunc(plainEngine)); err != nil {
		return nil, err
	}
	engine, err := proxy.NewEngine("unix://" + backend)
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	l.end = append(l.end, func() error { engine.Close(); return nil })
	log := slog.New(slog.DiscardHandler)
	state := &atRest{Direct: store.Direct{Store: st, Now: time.Now}, node: self}
	server := api.New(api.Options{Cluster: state, Proxy: proxy.New(engine, log), Events: events.NewRing(), Env: env.Real(), Logger: log, Version: "bench"})
	l.count = &counted{next: server}
	if err := errors.Join(l.serve(l.skep, l.count), l.serve(l.ready, &replay{from: server, known: map[string]*recorded{}})); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lister) serve(socket string, h http.Handler) error {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("serving lists: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	l.end = append(l.end, func() error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	})
	return nil
}

// close ends what was started last first.
func (l *lister) close() (err error) {
	for i := len(l.end) - 1; i >= 0; i-- {
		err = errors.Join(err, l.end[i]())
	}
	return err
}

// plainEngine is an engine without anything on it.
func plainEngine(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Api-Version", "1.41")
	h.Set("Ostype", "linux")
	h.Set("Server", "Docker/20.10.24 (linux)")
	h.Set("Docker-Experimental", "false")
	h.Set("Content-Type", "application/json")
	if r.URL.Path != "/_ping" {
		_, _ = w.Write([]byte(`{"ID":"bench","Name":"bench","Driver":"overlay2","ServerVersion":"20.10.24","Plugins":{"Network":["bridge"]}}`))
	}
}

// atRest is a manager whose state nobody changes.
type atRest struct {
	store.Direct
	node model.ID
}

var errAtRest = errors.New("the cluster whose lists are measured does not change")

func (c *atRest) Init(context.Context, swarm.InitRequest) (string, error) { return "", errAtRest }
func (c *atRest) Leave(context.Context, bool) error                       { return errAtRest }
func (c *atRest) Manager() api.Manager                                    { return c }
func (c *atRest) Fresh(context.Context) (store.View, error)               { return c.Store.View(), nil }
func (c *atRest) State() api.State {
	return api.State{Local: swarm.LocalNodeStateActive, NodeID: c.node, Addr: "192.0.2.1", Leader: c.node}
}

// counted counts what a server answers; it is asked by one command at a time, which may have several requests open.
type counted struct {
	next     http.Handler
	mu       sync.Mutex
	requests int
	bytes    int64
}

func (c *counted) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests, c.bytes = 0, 0
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests++
	c.mu.Unlock()
	c.next.ServeHTTP(&counting{w, c}, r)
}

type counting struct {
	http.ResponseWriter
	c *counted
}

func (w *counting) Write(p []byte) (int, error) {
	w.c.mu.Lock()
	w.c.bytes += int64(len(p))
	w.c.mu.Unlock()
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *counting) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// replay answers a request as another server did the first time.
type replay struct {
	from  http.Handler
	mu    sync.Mutex
	known map[string]*recorded
}

func (p *replay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.URL.String()
	p.mu.Lock()
	answer := p.known[key]
	if answer == nil {
		answer = &recorded{header: http.Header{}, status: http.StatusOK}
		p.from.ServeHTTP(answer, r)
		p.known[key] = answer
	}
	p.mu.Unlock()
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body.Bytes())
}

// recorded is an answer that is kept.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorded) Header() http.Header         { return a.header }
func (a *recorded) WriteHeader(status int)      { a.status = status }
func (a *recorded) Write(p []byte) (int, error) { return a.body.Write(p) }
