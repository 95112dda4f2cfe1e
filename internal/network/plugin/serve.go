package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	contentType = "application/vnd.docker.plugins.v1.1+json"
	// requestLimit bounds what an engine may send: its messages are small.
	requestLimit = 1 << 20
	// endWait is how long calls in progress may go on when serving ends; the engine repeats those that broke.
	endWait = time.Second
)

// Serve answers engines at l with d until ctx ends, and closes l.
func Serve(ctx context.Context, l net.Listener, d Driver, log *slog.Logger) error {
	calls, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	srv := &http.Server{
		Handler: Handler(d, log), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return calls },
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve the engine's network plugin: %w", err)
	case <-ctx.Done():
	}
	patience, stop := context.WithTimeout(calls, endWait)
	defer stop()
	if srv.Shutdown(patience) != nil {
		giveUp()
		_ = srv.Close()
	}
	_ = <-ended
	return ctx.Err()
}

// Handler answers an engine's requests.
func Handler(d Driver, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	fixed := func(path string, answer any) {
		handle(mux, log, path, func(context.Context, *nothing) (any, error) { return answer, nil })
	}
	fixed("/Plugin.Activate", activated{Implements: []string{"NetworkDriver"}})
	fixed("/NetworkDriver.GetCapabilities", capabilities{Scope: "local", ConnectivityScope: "local"})
	fixed("/NetworkDriver.DiscoverNew", nothing{})
	fixed("/NetworkDriver.DiscoverDelete", nothing{})
	// Ports of a container are published by the engine itself, through the bridge it adds as the way out, or they came
	// with the endpoint's options.
	fixed("/NetworkDriver.ProgramExternalConnectivity", nothing{})
	fixed("/NetworkDriver.RevokeExternalConnectivity", nothing{})
	fixed("/NetworkDriver.EndpointOperInfo", endpointInfo{Value: map[string]string{}})
	handle(mux, log, "/NetworkDriver.CreateNetwork", func(ctx context.Context, r *createNetwork) (any, error) {
		return nothing{}, d.CreateNetwork(ctx, r.NetworkID, texts(r.Options))
	})
	handle(mux, log, "/NetworkDriver.DeleteNetwork", func(ctx context.Context, r *networkID) (any, error) {
		return nothing{}, d.DeleteNetwork(ctx, r.NetworkID)
	})
	handle(mux, log, "/NetworkDriver.CreateEndpoint", func(ctx context.Context, r *createEndpoint) (any, error) {
		given, err := r.Interface.given()
		if err != nil {
			return nil, err
		}
		i, err := d.CreateEndpoint(ctx, NewEndpoint{Network: r.NetworkID, ID: r.EndpointID, Given: given, Options: texts(r.Options)})
		return r.answer(i), err
	})
	handle(mux, log, "/NetworkDriver.DeleteEndpoint", func(ctx context.Context, r *endpointID) (any, error) {
		return nothing{}, d.DeleteEndpoint(ctx, r.NetworkID, r.EndpointID)
	})
	handle(mux, log, "/NetworkDriver.Join", func(ctx context.Context, r *join) (any, error) {
		j, err := d.Join(ctx, r.NetworkID, r.EndpointID, r.SandboxKey)
		return j.answer(), err
	})
	handle(mux, log, "/NetworkDriver.Leave", func(ctx context.Context, r *endpointID) (any, error) {
		return nothing{}, d.Leave(ctx, r.NetworkID, r.EndpointID)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply(w, log, r.URL.Path, failure{"the skep network driver does not know " + r.URL.Path})
	})
	return mux
}

// handle reads a request, calls f and writes its answer or its error.
func handle[Request any](mux *http.ServeMux, log *slog.Logger, path string, f func(context.Context, *Request) (any, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		req := new(Request)
		body := http.MaxBytesReader(w, r.Body, requestLimit)
		if err := json.NewDecoder(body).Decode(req); err != nil && !errors.Is(err, io.EOF) { // some calls have no body
			reply(w, log, path, failure{"the engine's request cannot be read: " + err.Error()})
			return
		}
		answer, err := f(r.Context(), req)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				log.Warn("the engine's call failed", "call", path, "err", err)
			}
			answer = failure{err.Error()}
		}
		reply(w, log, path, answer)
	})
}

func reply(w http.ResponseWriter, log *slog.Logger, path string, answer any) {
	w.Header().Set("Content-Type", contentType)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		log.Debug("the engine's call could not be answered", "call", path, "err", err)
	}
}
