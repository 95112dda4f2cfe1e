package backupcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// daemon is the API of this machine's skep. Backups are not sent over networks.
type daemon struct {
	socket string
	http   *http.Client
}

func newDaemon(host string) (*daemon, error) {
	socket, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return nil, fmt.Errorf("--host %q is not unix:///path: run this on a node of the cluster", host)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &daemon{socket: socket, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}, nil
}

// call asks and returns the answer's body. An answer that is not 200 is an error with the daemon's words.
func (d *daemon) call(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://skep"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the skep daemon does not answer at %s (is it running? --host names another socket): %w", d.socket, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	var said struct{ Message string }
	if json.Unmarshal(text, &said) != nil || said.Message == "" {
		said.Message = strings.TrimSpace(string(text))
	}
	if resp.StatusCode == http.StatusNotFound && strings.Contains(said.Message, "page not found") {
		said.Message = "what listens at " + d.socket + " is not a skep daemon that knows backups"
	}
	return nil, fmt.Errorf("%s", said.Message)
}

// passphrase reads one from the first line of a file, or of standard input if that is named "-".
func passphrase(file string, stdin io.Reader) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read the passphrase: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return nil, fmt.Errorf("the first line of %s is empty: it is to hold the passphrase", file)
	}
	return []byte(line), nil
}
