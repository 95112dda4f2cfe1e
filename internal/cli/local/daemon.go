package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/node"
	"github.com/spf13/cobra"
)

// Daemon is the API of this machine's skep.
type Daemon struct {
	socket string
	http   *http.Client
}

// Address is where the API is: where it is said to be, else where the docker command is told it is, else here.
func Address(host string) string {
	return cmp.Or(host, os.Getenv(client.EnvOverrideHost), node.DefaultHost)
}

// HostFlag is the flag that says which daemon a command talks to: else it is the one that the docker command would.
func HostFlag(cmd *cobra.Command, host *string) {
	cmd.Flags().StringVar(host, "host", "", "`address` of skep's API: unix:///path (default "+client.EnvOverrideHost+", else "+node.DefaultHost+")")
}

// New is the daemon at a host, unix:///path; empty: where a command looks that was not told, see [HostFlag].
func New(host string) (*Daemon, error) {
	host = Address(host)
	socket, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return nil, fmt.Errorf("%q is not unix:///path: run this on a node of the cluster, or say the daemon's socket by --host", host)
	}
	return Over(socket, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}), nil
}

// Over is a daemon somewhere that a client of its API has a way to.
func Over(address string, dial func(context.Context) (net.Conn, error)) *Daemon {
	dialed := func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	return &Daemon{socket: address, http: &http.Client{Transport: &http.Transport{DialContext: dialed, DisableKeepAlives: true}}}
}

// Call asks and returns the answer's body. An answer that is neither 200 nor 201 is an error with the daemon's words. what is what an
// older daemon does not know.
func (d *Daemon) Call(ctx context.Context, method, path string, body io.Reader, what string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://skep"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the skep daemon does not answer at %s (is it running? --host names another socket): %w", d.socket, err)
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	var said struct{ Message string }
	if json.Unmarshal(text, &said) != nil || said.Message == "" {
		said.Message = strings.TrimSpace(string(text))
	}
	if resp.StatusCode == http.StatusNotFound && strings.Contains(said.Message, "page not found") {
		said.Message = "what listens at " + d.socket + " is not a skep daemon that knows " + what
	}
	return nil, errors.New(said.Message)
}

// Ask calls and reads the JSON of the answer into v; nil: it is of no interest.
func (d *Daemon) Ask(ctx context.Context, method, path string, v any, what string) error {
	body, err := d.Call(ctx, method, path, nil, what)
	if err != nil {
		return err
	}
	defer body.Close()
	if v == nil {
		return nil
	}
	if err := json.NewDecoder(body).Decode(v); err != nil {
		return fmt.Errorf("the daemon's answer cannot be read: %w", err)
	}
	return nil
}
