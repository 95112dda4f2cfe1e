package side

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/skep-org/skep/internal/lab/engine"
)

// Side is one party of a comparison: where its API is, and how to end it.
type Side struct {
	Name string // "swarm" or "skep"; only for messages
	Host string // what DOCKER_HOST has to say
	Dir  string // everything the side writes is below it

	// EngineHost is the private engine's own socket; for Docker's swarm mode it
	// is Host.
	EngineHost string

	engine *engine.Engine
	cli    string
	client *http.Client
	closer []func() error
}

// Options say what to start a side with.
type Options struct {
	Dir     string   // an existing, empty directory with a short path: sockets live in it
	CLI     string   // the docker CLI to run, "" means the first one in PATH
	Program string   // the built test program (BuildProgram)
	Tags    []string // the images to make of it
}

// StartSwarm starts a plain engine; swarm mode is switched on by whoever uses it.
func StartSwarm(ctx context.Context, o Options) (*Side, error) {
	s := &Side{Name: "swarm", Dir: o.Dir, cli: o.CLI}
	if err := s.startEngine(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.connect(s.EngineHost)
	return s, s.waitReady(ctx)
}

// StartSkep starts a plain engine and the skep daemon beside it.
func StartSkep(ctx context.Context, o Options, binary string) (*Side, error) {
	s := &Side{Name: "skep", Dir: o.Dir, cli: o.CLI}
	if err := s.startEngine(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s.withDaemon(ctx, binary)
}

// Beside starts skep on the engine of s, with a directory of its own. Closing
// the result ends skep and leaves the engine to s.
func (s *Side) Beside(ctx context.Context, dir, binary string) (*Side, error) {
	b := &Side{Name: "skep", Dir: dir, EngineHost: s.EngineHost, engine: s.engine, cli: s.cli}
	return b.withDaemon(ctx, binary)
}

// At is the CLI of s pointed at whoever serves an API at host, a unix socket named as in DOCKER_HOST. Closing the result
// removes dir alone.
func (s *Side) At(name, dir, host string) *Side {
	b := &Side{Name: name, Dir: dir, EngineHost: s.EngineHost, cli: s.cli}
	b.connect(host)
	return b
}

func (s *Side) withDaemon(ctx context.Context, binary string) (*Side, error) {
	if err := s.startDaemon(binary); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.connect("unix://" + filepath.Join(s.Dir, "skep.sock"))
	if err := s.waitReady(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Side) connect(host string) {
	s.Host = host
	s.client = socketClient(host)
}

// socketClient speaks HTTP over a unix socket named as DOCKER_HOST names it.
func socketClient(host string) *http.Client {
	path := host[len("unix://"):]
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		MaxIdleConns: 4,
	}}
}

// waitReady polls the side's /_ping until it answers.
func (s *Side) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		a, err := s.Call(ctx, http.MethodGet, "/_ping", nil)
		if err == nil && a.Status == http.StatusOK {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s does not answer at %s, see its log in %s: %w", s.Name, s.Host, s.Dir, errors.Join(err, ctx.Err()))
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// pause is the interval of a poll that is bounded by its context.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Close ends what the side started, last first, and removes its directory.
func (s *Side) Close() error {
	var errs []error
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	for i := len(s.closer) - 1; i >= 0; i-- {
		errs = append(errs, s.closer[i]())
	}
	s.closer = nil
	if err := os.RemoveAll(s.Dir); err != nil {
		errs = append(errs, fmt.Errorf("removing the files of %s: %w", s.Name, err))
	}
	return errors.Join(errs...)
}
