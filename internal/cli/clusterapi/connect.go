package clusterapi

import (
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/cli/local"
	"github.com/skep-org/skep/internal/node"
)

// Clock is where commands have the time from: they wait.
type Clock interface {
	Now() time.Time
	After(time.Duration) <-chan time.Time
}

// RealClock is the machine's.
type RealClock struct{}

// Now implements [Clock].
func (RealClock) Now() time.Time { return time.Now() }

// After implements [Clock].
func (RealClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// HostUsage is what a flag that says where the API is has to say.
const HostUsage = "`address` of skep's API: unix:///path or tcp://address:port (default DOCKER_HOST, else " + node.DefaultHost + ")"

// Connect is a client of the cluster's API. At tcp:// addresses it uses the certificates the docker command would.
func Connect(host string) (*client.Client, error) {
	host = local.Address(host)
	scheme, rest, ok := strings.Cut(host, "://")
	if !ok || rest == "" || scheme != "unix" && scheme != "tcp" {
		return nil, fmt.Errorf("the API's address %q is not unix:///path or tcp://address:port: say another by --host", host)
	}
	var options []client.Opt
	if scheme == "tcp" {
		options = append(options, client.WithTLSClientConfigFromEnv())
	}
	c, err := client.New(append(options, client.WithHost(host))...)
	if err != nil {
		return nil, fmt.Errorf("there is no way to the API at %s: %w", host, err)
	}
	return c, nil
}
