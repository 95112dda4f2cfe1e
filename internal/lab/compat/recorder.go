package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// recorder stands between the CLI and the API and notes what was answered with
// 501, which the CLI does not tell apart from other errors.
type recorder struct {
	server    *http.Server
	transport *http.Transport
	done      chan struct{}

	mu      sync.Mutex
	refused []string
}

// record serves at the socket listen and passes everything on to the other.
func record(listen, target string) (*recorder, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "unix", listen)
	if err != nil {
		return nil, fmt.Errorf("listening between the CLI and the API: %w", err)
	}
	r := &recorder{done: make(chan struct{}), transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", target)
		},
	}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", "docker"
		},
		Transport:      r.transport,
		FlushInterval:  -1,
		ModifyResponse: r.note,
	}
	r.server = &http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(r.done)
		_ = r.server.Serve(l) // ends by close
	}()
	return r, nil
}

func (r *recorder) note(resp *http.Response) error {
	if resp.StatusCode != http.StatusNotImplemented {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading a refusal: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var m struct{ Message string }
	if json.Unmarshal(body, &m) != nil {
		m.Message = string(body)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = append(r.refused, m.Message)
	return nil
}

// take returns the refusals since the last call.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.refused
	r.refused = nil
	return list
}

func (r *recorder) close() error {
	err := r.server.Close()
	<-r.done
	r.transport.CloseIdleConnections()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
