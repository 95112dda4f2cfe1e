package migratecmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"unicode"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/cli/dockerconfig"
	"github.com/skep-org/skep/internal/node"
)

// isDirectory tells a directory from a context, whose name has no slash, and from an address.
func isDirectory(from string) bool {
	return strings.Contains(from, "/") && !strings.Contains(from, "://")
}

// connectFrom is a client of the swarm that a context or an address leads to. What a program on the way says goes to said.
func connectFrom(from string, said io.Writer) (*client.Client, error) {
	endpoint, err := endpointOf(from)
	if err != nil {
		return nil, err
	}
	options, err := optionsOf(endpoint, strings.Contains(from, "://"), said)
	if err != nil {
		return nil, fmt.Errorf("--from %s: %w", from, err)
	}
	c, err := client.New(options...)
	if err != nil {
		return nil, fmt.Errorf("there is no way to the swarm at %s: %w", endpoint.Host, err)
	}
	return c, nil
}

func endpointOf(from string) (dockerconfig.Endpoint, error) {
	switch {
	case strings.Contains(from, "://"):
		return dockerconfig.Endpoint{Host: from}, nil
	case from == dockerconfig.DefaultContext:
		return dockerconfig.Endpoint{Host: "unix://" + node.DockerSocket}, nil
	}
	dir, err := dockerconfig.Dir()
	if err != nil {
		return dockerconfig.Endpoint{}, err
	}
	return dockerconfig.EndpointOf(dir, from)
}

// optionsOf are a client's. At an address nobody has made a context of, the docker command's variables say who one is.
func optionsOf(e dockerconfig.Endpoint, variables bool, said io.Writer) ([]client.Opt, error) {
	scheme, rest, _ := strings.Cut(e.Host, "://")
	if rest == "" {
		return nil, fmt.Errorf("%q is no address of an API", e.Host)
	}
	switch scheme {
	case "unix":
		return []client.Opt{client.WithHost(e.Host)}, nil
	case "tcp":
		switch {
		case variables:
			return []client.Opt{client.WithHost(e.Host), client.WithTLSClientConfigFromEnv()}, nil
		case e.SkipTLSVerify:
			return nil, fmt.Errorf("its context does not verify who answers at %s, and a whole cluster is not made of what anybody may have said: give the context the authority's certificate (ca)", e.Host)
		case e.CA == "" && e.Cert == "":
			return []client.Opt{client.WithHost(e.Host)}, nil
		}
		return []client.Opt{client.WithHost(e.Host), client.WithTLSClientConfig(e.CA, e.Cert, e.Key)}, nil
	case "ssh":
		args, err := sshArgs(e.Host)
		if err != nil {
			return nil, err
		}
		dial := func(context.Context, string, string) (net.Conn, error) { return dialCommand(said, "ssh", args...) }
		return []client.Opt{client.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: dial}}),
			client.WithHost("http://docker.invalid"), client.WithDialContext(dial)}, nil
	}
	return nil, fmt.Errorf("%q is not unix://, tcp:// or ssh://", e.Host)
}

// sshArgs are those of the ssh command that leads to an engine, as the docker command has them.
func sshArgs(host string) ([]string, error) {
	u, err := url.Parse(host)
	if err != nil || u.Hostname() == "" || u.RawQuery != "" || strings.HasPrefix(u.Hostname(), "-") || strings.HasPrefix(u.User.Username(), "-") {
		return nil, fmt.Errorf("%q is not ssh://[user@]machine[:port]", host)
	}
	if strings.ContainsFunc(u.Path, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-", r)
	}) {
		return nil, fmt.Errorf("%q has a path that a shell there might take for something else", host)
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("an ssh:// address has no password: use a key")
	}
	var args []string
	if user := u.User.Username(); user != "" {
		args = append(args, "-l", user)
	}
	if port := u.Port(); port != "" {
		args = append(args, "-p", port)
	}
	args = append(args, "-o", "ConnectTimeout=30", "--", u.Hostname(), "docker")
	if path := strings.Trim(u.Path, "/"); path != "" {
		args = append(args, "--host", "unix:///"+path)
	}
	return append(args, "system", "dial-stdio"), nil
}

// dialCommand is a connection that is a program's input and output. Whichever of them ends, ends the other.
func dialCommand(said io.Writer, name string, args ...string) (net.Conn, error) {
	cmd := exec.CommandContext(context.Background(), name, args...) //nolint:gosec // what the user's own context or flag says
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s does not start: %w", name, err)
	}
	here, there := net.Pipe()
	go func() {
		_, _ = io.Copy(in, there)
		_ = in.Close()
	}()
	go func() {
		_, _ = io.Copy(there, out)
		_ = there.Close()
		_ = cmd.Wait() // the connection's end tells
	}()
	return here, nil
}
