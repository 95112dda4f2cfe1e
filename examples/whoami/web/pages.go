package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
)

// self is the name the server gives itself: the task's where it was given one, else the machine's.
func self() string {
	if name := os.Getenv("TASK_NAME"); name != "" {
		return name
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// who is the shortest answer: who answers, whom it sees, and at which of its own addresses it was asked.
func who(w http.ResponseWriter, r *http.Request) {
	at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	printf(w, "%s %s %v\n", self(), r.RemoteAddr, at)
}

// chain is a line on this server, and what the next one says.
func (s *server) chain(w http.ResponseWriter, r *http.Request) {
	asker, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		asker = r.RemoteAddr
	}
	line := fmt.Sprintf("%s, asked by %s", self(), asker)
	if node := os.Getenv("NODE_NAME"); node != "" {
		line = fmt.Sprintf("%s on %s, asked by %s", self(), node, asker)
	}
	if s.next == "" {
		printf(w, "%s\n", line)
		return
	}
	said, err := askNext(r.Context(), s.next)
	if err != nil {
		http.Error(w, fmt.Sprintf("%s: the next server: %v", line, err), http.StatusBadGateway)
		return
	}
	printf(w, "%s\n%s", line, said)
}

// askNext asks over a new connection each time, so that the chains of answers show the load balancing.
func askNext(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status + ": " + string(bytes.TrimSpace(said)))
	}
	return said, err
}

// manyBytes answers with as many bytes as asked for, to measure throughput with.
func manyBytes(w http.ResponseWriter, r *http.Request) {
	left, err := strconv.ParseInt(cmp.Or(r.FormValue("n"), "1048576"), 10, 64)
	if err != nil || left < 0 {
		http.Error(w, "n is a number of bytes", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(left, 10))
	block := make([]byte, 256<<10)
	for left > 0 {
		n, err := w.Write(block[:min(left, int64(len(block)))])
		if err != nil {
			return
		}
		left -= int64(n)
	}
}
