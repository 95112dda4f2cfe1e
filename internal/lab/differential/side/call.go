package side

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Answer is what the API said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call sends one request; path includes the version prefix and the query. A header replaces what is sent by itself.
func (s *Side) Call(ctx context.Context, method, path string, body []byte, header ...http.Header) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("making the request %s %s: %w", method, path, err)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range header {
		maps.Copy(req.Header, h)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %s %s: %w", s.Name, method, path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("%s: reading the answer to %s %s: %w", s.Name, method, path, err)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: got}, nil
}

// Output is what one shell line left behind.
type Output struct {
	Stdout, Stderr string
	Exit           int
}

// Shell runs one line by sh, with `docker` being the side's CLI pointed at the
// side, in a directory of its own and with the variables given.
func (s *Side) Shell(ctx context.Context, line string, env []string) (Output, error) {
	home, err := s.home()
	if err != nil {
		return Output{}, err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = home
	cmd.Env = append(append(os.Environ(), env...),
		"DOCKER_HOST="+s.Host, "HOME="+home, "DOCKER_CONFIG="+home, "DOCKER_CLI_HINTS=false",
		"PATH="+filepath.Join(home, "bin")+":"+os.Getenv("PATH"), "COLUMNS=200", "TZ=UTC")
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	out := Output{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		out.Exit = exit.ExitCode()
		err = nil
	}
	if ctx.Err() != nil {
		return out, fmt.Errorf("%s: %q did not end in time: %w", s.Name, line, ctx.Err())
	}
	if err != nil {
		return out, fmt.Errorf("%s: running %q: %w", s.Name, line, err)
	}
	return out, nil
}

// home is the directory shell lines run in; its bin/docker is the side's CLI.
func (s *Side) home() (string, error) {
	home := filepath.Join(s.Dir, "home")
	bin := filepath.Join(home, "bin")
	link := filepath.Join(bin, "docker")
	if _, err := os.Lstat(link); err == nil {
		return home, nil
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", fmt.Errorf("making the directory commands run in: %w", err)
	}
	cli := s.cli
	if cli == "" {
		cli = "docker"
	}
	cli, err := exec.LookPath(strings.TrimSpace(cli))
	if err != nil {
		return "", fmt.Errorf("finding the docker CLI: %w", err)
	}
	if err := os.Symlink(cli, link); err != nil {
		return "", fmt.Errorf("linking the docker CLI: %w", err)
	}
	return home, nil
}

// Stream sends a GET whose answer is read as it comes; the caller closes it.
func (s *Side) Stream(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("making the request GET %s: %w", path, err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: GET %s: %w", s.Name, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s: GET %s answered %s", s.Name, path, resp.Status)
	}
	return resp.Body, nil
}

// DebianCLI is the docker CLI of Debian's package, the one everything recorded
// was recorded with; "" (the first in PATH) where it is not installed.
func DebianCLI() string {
	const path = "/usr/bin/docker"
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
