package proxy

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
)

// stream sends r over a connection of its own and, when the engine hijacks that connection, joins it to
// the client's. Otherwise the answer is copied like any other.
func (p *Proxy) stream(w http.ResponseWriter, r *http.Request) {
	backend, err := p.engine.Dial(r.Context())
	if err != nil {
		p.fail(w, r, p.engine.unreachable(err))
		return
	}
	defer backend.Close()

	resp, fromEngine, err := exchange(backend, r)
	if err != nil {
		p.fail(w, r, p.engine.unreachable(err))
		return
	}
	defer resp.Body.Close()
	p.engine.learn(resp.Header)

	if !hijacked(resp) {
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		// The header is sent: a broken body can only be cut short.
		_, _ = io.Copy(w, resp.Body)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		p.fail(w, r, fmt.Errorf("take over the client's connection: %w", err))
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, head(resp)); err != nil {
		return
	}
	client := &end{conn: conn, reader: unread(conn, buffered.Reader)}
	join(r.Context(), client, &end{conn: backend, reader: unread(backend, fromEngine)})
}

// exchange writes the request and reads the head of the answer. The request's body is what its
// Content-Length says; what follows it on a hijacked connection belongs to the stream.
func exchange(backend net.Conn, r *http.Request) (*http.Response, *bufio.Reader, error) {
	out := r.Clone(r.Context())
	out.Host = "docker"
	if err := out.Write(backend); err != nil {
		return nil, nil, err
	}
	reader := bufio.NewReader(backend)
	resp, err := http.ReadResponse(reader, out)
	return resp, reader, err
}

// hijacked says whether the bytes after the head are a stream in both directions. Without an upgrade the
// engine answers 200 and a content type of its own.
func hijacked(resp *http.Response) bool {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	return resp.StatusCode == http.StatusOK && resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 &&
		strings.HasPrefix(resp.Header.Get("Content-Type"), "application/vnd.docker.")
}

// head prints the head of the answer as the engine sent it: clients look at "101 UPGRADED".
func head(resp *http.Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/%d.%d %s\r\n", resp.ProtoMajor, resp.ProtoMinor, resp.Status)
	// http.ReadResponse takes Connection out of some answers; nothing else is lost.
	if resp.StatusCode == http.StatusSwitchingProtocols && resp.Header.Get("Connection") == "" {
		resp.Header.Set("Connection", "Upgrade")
	}
	// Writing to a strings.Builder does not fail.
	_ = resp.Header.Write(&b)
	b.WriteString("\r\n")
	return b.String()
}

// unread gives back what a buffered reader has already taken off the connection.
func unread(conn net.Conn, buffered *bufio.Reader) io.Reader {
	if n := buffered.Buffered(); n > 0 {
		return io.MultiReader(io.LimitReader(buffered, int64(n)), conn)
	}
	return conn
}
