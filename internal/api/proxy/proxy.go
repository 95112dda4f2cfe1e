package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"

	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/versions"
)

// Proxy passes requests to one engine.
type Proxy struct {
	engine  *Engine
	log     *slog.Logger
	reverse *httputil.ReverseProxy
}

// New makes a Proxy.
func New(engine *Engine, log *slog.Logger) *Proxy {
	p := &Proxy{engine: engine, log: log}
	p.reverse = &httputil.ReverseProxy{
		Transport:     engine.transport,
		FlushInterval: -1, // logs -f and events show each line as it comes
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = "http", "docker", "docker"
		},
		ModifyResponse: func(resp *http.Response) error {
			engine.learn(resp.Header)
			return nil
		},
		ErrorHandler: p.fail,
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return p
}

// Engine is the engine behind.
func (p *Proxy) Engine() *Engine { return p.engine }

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	highest, err := p.engine.Version(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	r = r.Clone(r.Context())
	p.engine.rewrite(r.URL, highest)
	if isStream(r) {
		p.stream(w, r)
		return
	}
	// A build reads its context while its output is on the way. Where the writer cannot do it, the
	// answer waits for the body, as everywhere else in HTTP/1.
	_ = http.NewResponseController(w).EnableFullDuplex()
	p.reverse.ServeHTTP(w, r)
}

// fail answers for an engine that does not.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the client is gone
	}
	p.log.Warn("a request did not reach the engine", "method", r.Method, "path", r.URL.Path, "error", err)
	if !strings.Contains(err.Error(), p.engine.host) {
		err = p.engine.unreachable(err)
	}
	httperr.Write(w, httperr.New(http.StatusBadGateway, "%s", err), false)
}

// isStream says whether the connection stops being HTTP after the request: when the client asks for an
// upgrade, or on the routes that the engine hijacks without being asked.
func isStream(r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" {
		return true
	}
	if r.Method != http.MethodPost {
		return false
	}
	_, path := versions.Split(r.URL.Path)
	return strings.HasPrefix(path, "/containers/") && strings.HasSuffix(path, "/attach") ||
		strings.HasPrefix(path, "/exec/") && strings.HasSuffix(path, "/start") ||
		path == "/session" || path == "/grpc"
}
