package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/skep-org/skep/internal/network/plugin"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder writes down what it is asked and answers as told.
type recorder struct {
	said strings.Builder
	err  error
	link plugin.Joined
}

func (r *recorder) note(format string, args ...any) error {
	_, _ = fmt.Fprintf(&r.said, format+"\n", args...)
	return r.err
}

func (r *recorder) CreateNetwork(_ context.Context, id string, options map[string]string) error {
	return r.note("create network %s %v", id, options)
}

func (r *recorder) DeleteNetwork(_ context.Context, id string) error {
	return r.note("delete network %s", id)
}

func (r *recorder) CreateEndpoint(_ context.Context, e plugin.NewEndpoint) (plugin.Interface, error) {
	err := r.note("create endpoint %s on %s given %v %q %v", e.ID, e.Network, e.Given.Addr, e.Given.MAC, e.Options)
	return plugin.Interface{Addr: netip.MustParsePrefix("10.0.1.5/24"), MAC: "02:42:0a:00:01:05"}, err
}

func (r *recorder) DeleteEndpoint(_ context.Context, network, endpoint string) error {
	return r.note("delete endpoint %s of %s", endpoint, network)
}

func (r *recorder) Join(_ context.Context, network, endpoint, sandbox string) (plugin.Joined, error) {
	return r.link, r.note("join %s of %s to %s", endpoint, network, sandbox)
}

func (r *recorder) Leave(_ context.Context, network, endpoint string) error {
	return r.note("leave %s of %s", endpoint, network)
}

// TestProtocol sends an engine's requests: the command is the call, the input its body. The argument "fails" makes the
// driver refuse, "ingress" and "internal" choose how a link is joined, "idle" asks a node that is in no cluster.
func TestProtocol(t *testing.T) {
	datadriven.RunTest(t, "testdata/protocol.txt", func(_ *testing.T, d *datadriven.TestData) string {
		r := &recorder{link: plugin.Joined{Link: "skep12ab"}}
		var driver plugin.Driver = r
		switch {
		case d.HasArg("fails"):
			r.err = errors.New("that is not possible")
		case d.HasArg("ingress"):
			r.link.Gateway = netip.MustParseAddr("10.255.0.2")
		case d.HasArg("internal"):
			r.link.NoGateway = true
		case d.HasArg("idle"):
			driver = &plugin.Switch{}
		}
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, "/"+d.Cmd, strings.NewReader(d.Input))
		plugin.Handler(driver, slog.New(slog.DiscardHandler)).ServeHTTP(w, req)
		return fmt.Sprintf("%s%d %s", r.said.String(), w.Code, w.Body)
	})
}

// TestListen: a socket left behind is taken over, one that is served is not.
func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "plugins", "skep.sock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := plugin.Listen(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v; want it closed to others", info, err)
	}
	if _, err := plugin.Listen(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("listening a second time: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- plugin.Serve(ctx, l, &recorder{}, slog.New(slog.DiscardHandler)) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	resp, err := client.Post("http://plugin/Plugin.Activate", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("serve ended with %v", err)
	}
}

// TestGivenUp: a call that waits ends with the connection of the engine that made it.
func TestGivenUp(t *testing.T) {
	l, err := plugin.Listen(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	begun, over := make(chan struct{}), make(chan error, 1)
	d := &waiting{recorder{}, begun, over}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- plugin.Serve(ctx, l, d, slog.New(slog.DiscardHandler)) }()
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body := `{"NetworkID":"n","EndpointID":"e"}`
	_, _ = fmt.Fprintf(conn, "POST /NetworkDriver.CreateEndpoint HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	<-begun
	_ = conn.Close()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	cancel()
	_ = <-ended
}

type waiting struct {
	recorder
	begun chan struct{}
	over  chan error
}

func (w *waiting) CreateEndpoint(ctx context.Context, _ plugin.NewEndpoint) (plugin.Interface, error) {
	close(w.begun)
	<-ctx.Done()
	w.over <- ctx.Err()
	return plugin.Interface{}, ctx.Err()
}
