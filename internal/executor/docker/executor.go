package docker

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/model"
	"golang.org/x/sync/singleflight"
)

// Options say which engine to use and for whom.
type Options struct {
	Host   string   // the engine's address: unix:///var/run/docker.sock
	NodeID model.ID // containers of other nodes (of a cluster this engine once was in) are left alone
	Files  string   // directory for secrets and configs; a tmpfs is mounted there if it is none
	Env    env.Env
	// Source says what to bind when a path was asked for: the place for socketmount's Rewriter.Path, which gives
	// containers skep's socket for Docker's. Nil changes nothing.
	Source func(path string) string
	// Plane is the node's data plane. Nil: there is none, and tasks on overlay networks are rejected.
	Plane DataPlane
	// RegistryAuth is the credential for an image of the cluster's own registry; empty for another one's. Nil: there is none.
	RegistryAuth func(image string) string
}

// Executor implements [executor.Executor]. Close it when done.
type Executor struct {
	api      *client.Client
	host     string
	node     model.ID
	clock    env.Clock
	source   func(string) string
	files    files
	plane    DataPlane
	networks networks
	starting starting
	pulls    *pulls
	known    known
	prepared prepared
	inspects singleflight.Group

	factsMu sync.Mutex
	facts   *facts
}

var _ executor.Executor = (*Executor)(nil)

// New makes an executor; it does not call the engine yet.
func New(o Options) (*Executor, error) {
	if o.Env.Clock == nil {
		return nil, errors.New("the docker executor needs a clock")
	}
	api, err := client.New(client.WithHost(o.Host), client.WithUserAgent("skep"), client.WithHTTPResponseHook(answered))
	if err != nil {
		return nil, fmt.Errorf("docker engine at %s: %w", o.Host, err)
	}
	plane := o.Plane
	if plane == nil {
		plane = noPlane{}
	}
	return &Executor{
		api: api, host: o.Host, node: o.NodeID, clock: o.Env.Clock,
		source:   o.Source,
		files:    files{dir: o.Files},
		plane:    plane,
		networks: networks{api: api, plane: plane},
		starting: starting{tasks: map[model.ID]int{}},
		pulls:    newPulls(api, o.Env.Clock, o.RegistryAuth),
		known:    known{tasks: map[model.ID]*executor.Container{}, oom: map[string]bool{}},
		prepared: prepared{ids: map[string]bool{}},
	}, nil
}

// Close gives back idle connections. Calls in progress go on.
func (e *Executor) Close() error { return e.api.Close() }

// answeredKey carries a function to be called when the engine has begun to answer a request for its events. The client
// does not tell: its Events returns before it knows whether there is an engine.
type answeredKey struct{}

func answered(resp *http.Response) {
	f, ok := resp.Request.Context().Value(answeredKey{}).(func())
	if ok && resp.StatusCode == http.StatusOK && strings.HasSuffix(resp.Request.URL.Path, "/events") {
		f()
	}
}
