package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/skep-org/skep/internal/api/decode"
	"github.com/skep-org/skep/internal/api/httperr"
)

// networkLabel is on each engine network that skep made, with the id of the cluster network it carries.
const networkLabel = "skep.network.id"

// engineLimit bounds the daemon's own questions to its engine.
const engineLimit = 10 * time.Second

// askEngine reads a JSON answer of the engine. An answer that is an error comes back with its status.
func (s *Server) askEngine(ctx context.Context, path string, header http.Header, v any) error {
	ctx, cancel := context.WithTimeout(ctx, engineLimit)
	defer cancel()
	return s.callEngine(ctx, http.MethodGet, path, header, v)
}

func (s *Server) callEngine(ctx context.Context, method, path string, header http.Header, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, path, nil)
	if err != nil {
		return fmt.Errorf("ask the engine for %s: %w", path, err)
	}
	for name := range header {
		req.Header.Set(name, header.Get(name))
	}
	resp, err := s.Proxy.Engine().RoundTrip(req)
	if err != nil {
		return httperr.New(http.StatusBadGateway, "%s", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return engineError(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("read the engine's answer to %s: %w", path, err)
	}
	return nil
}

// enginePath asks the engine in the version that the client asked in; it is lowered on the way.
func (r *request) enginePath(path string) string {
	if !r.pinned {
		return path
	}
	return "/v" + r.version.String() + path
}

func engineError(resp *http.Response) error {
	var said struct{ Message string }
	raw, err := io.ReadAll(io.LimitReader(resp.Body, decode.Limit))
	if err != nil {
		return fmt.Errorf("read the engine's answer: %w", err)
	}
	if json.Unmarshal(raw, &said) != nil || said.Message == "" {
		said.Message = string(bytes.TrimSpace(raw))
	}
	return httperr.New(resp.StatusCode, "%s", said.Message)
}

// errEngines is for what is tried only, and is no matter of the cluster.
var errEngines = httperr.NotImplemented("it is one of this node's engine alone, and what an engine does cannot be foreseen")

// pass sends the request on to the engine with the body given.
func (s *Server) pass(r *request, body []byte) error {
	if s.dry != nil {
		return errEngines
	}
	out := r.Clone(r.Context())
	out.Body = io.NopCloser(bytes.NewReader(body))
	out.ContentLength = int64(len(body))
	out.TransferEncoding = nil
	s.clearHeaders(r.w)
	s.Proxy.ServeHTTP(r.w, out)
	return nil
}

// forward sends the request on to the engine as it came.
func (s *Server) forward(r *request) error {
	if s.dry != nil {
		return errEngines
	}
	s.clearHeaders(r.w)
	s.Proxy.ServeHTTP(r.w, r.Request)
	return nil
}

// clearHeaders leaves the answer's headers to the engine.
func (s *Server) clearHeaders(w http.ResponseWriter) { clear(w.Header()) }
