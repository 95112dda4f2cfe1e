package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/skep-org/skep/internal/api/versions"
)

// dialTimeout bounds how long an engine that does not accept keeps a request waiting.
const dialTimeout = 10 * time.Second

// Engine is where the Docker Engine listens and what version it was last seen to speak.
type Engine struct {
	network, address string
	host             string
	transport        *http.Transport
	version          atomic.Pointer[versions.Version]
	identity         atomic.Pointer[map[string]string]
}

// NewEngine reads a host as DOCKER_HOST has it: unix:///path or tcp://host:port.
func NewEngine(host string) (*Engine, error) {
	e := &Engine{host: host}
	scheme, rest, _ := strings.Cut(host, "://")
	switch scheme {
	case "unix":
		e.network, e.address = "unix", rest
	case "tcp", "http":
		e.network, e.address = "tcp", strings.TrimSuffix(rest, "/")
	default:
		return nil, fmt.Errorf("engine address %q: use unix:///path or tcp://host:port", host)
	}
	if e.address == "" {
		return nil, fmt.Errorf("engine address %q has no path or host", host)
	}
	e.transport = &http.Transport{
		DialContext:           func(ctx context.Context, _, _ string) (net.Conn, error) { return e.Dial(ctx) },
		DisableCompression:    true, // pass what the engine sends, byte by byte
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		ExpectContinueTimeout: time.Second,
	}
	return e, nil
}

// Host is the address as it was given.
func (e *Engine) Host() string { return e.host }

// Dial opens a connection to the engine.
func (e *Engine) Dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	return d.DialContext(ctx, e.network, e.address)
}

// Close lets go of idle connections.
func (e *Engine) Close() { e.transport.CloseIdleConnections() }

// RoundTrip sends a request of the daemon's own to the engine; the request's URL needs a path only.
func (e *Engine) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = "http", "docker", "docker"
	if highest := e.version.Load(); highest != nil {
		e.rewrite(r.URL, *highest)
	}
	resp, err := e.transport.RoundTrip(r)
	if err != nil {
		return nil, e.unreachable(err)
	}
	e.learn(resp.Header)
	return resp, nil
}

// Version is the engine's highest API version, asked for when it is not known yet.
func (e *Engine) Version(ctx context.Context) (versions.Version, error) {
	if v := e.version.Load(); v != nil {
		return *v, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/_ping", nil)
	if err != nil {
		return versions.Version{}, err
	}
	resp, err := e.RoundTrip(req)
	if err != nil {
		return versions.Version{}, err
	}
	resp.Body.Close()
	if v := e.version.Load(); v != nil {
		return *v, nil
	}
	return versions.Version{}, fmt.Errorf("the engine at %s does not say which API version it speaks", e.host)
}

// learn keeps the version up to date: an engine may be upgraded while skep runs.
func (e *Engine) learn(h http.Header) {
	v, ok := versions.Parse(h.Get("Api-Version"))
	if !ok {
		return
	}
	e.version.Store(&v)
	identity := map[string]string{}
	for _, name := range []string{"Api-Version", "Docker-Experimental", "Ostype", "Server"} {
		if value := h.Get(name); value != "" {
			identity[name] = value
		}
	}
	// Not every answer has all of them; a poorer one must not make clients forget the rest.
	if old := e.identity.Load(); old == nil || len(*old) <= len(identity) {
		e.identity.Store(&identity)
	}
}

// Identity are the headers by which the engine tells clients what it is; nil while it is not reachable.
// Clients of skep see the same ones, so that they negotiate as they would with the engine.
func (e *Engine) Identity(ctx context.Context) map[string]string {
	if _, err := e.Version(ctx); err != nil {
		return nil
	}
	if identity := e.identity.Load(); identity != nil {
		return *identity
	}
	return nil
}

// rewrite gives u the version the engine can answer.
func (e *Engine) rewrite(u *url.URL, highest versions.Version) {
	text, rest := versions.Split(u.Path)
	asked, ok := versions.Parse(text)
	if !ok || !highest.Less(asked) {
		return
	}
	u.Path = "/v" + highest.String() + rest
	if u.RawPath != "" {
		_, rawRest := versions.Split(u.RawPath)
		u.RawPath = "/v" + highest.String() + rawRest
	}
}

func (e *Engine) unreachable(err error) error {
	return fmt.Errorf("cannot reach the Docker Engine at %s: %w", e.host, err)
}
