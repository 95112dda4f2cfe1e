package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// conn is one connection, or one UDP socket. It sends each request once: net/http's client sends anew, unasked, what
// failed on a connection it had kept, and so hides what this package is there to find.
type conn struct {
	net.Conn
	in *bufio.Reader
	n  int
}

func newConn(c net.Conn) *conn { return &conn{Conn: c, in: bufio.NewReaderSize(c, 64<<10)} }

func (c *conn) ask(ctx context.Context, t *target, keep bool) (answer, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Minute)
	}
	if err := c.SetDeadline(deadline); err != nil {
		return answer{}, err
	}
	if t.network == "udp" {
		return c.echo()
	}
	return c.get(t, keep)
}

// get is an HTTP request.
func (c *conn) get(t *target, keep bool) (a answer, err error) {
	option := "close"
	if keep {
		option = "keep-alive"
	}
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: whoami-load\r\nConnection: %s\r\n\r\n", t.path, net.JoinHostPort(t.host, t.port), option)
	if err != nil {
		return a, fmt.Errorf("sending: %w", err)
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return a, fmt.Errorf("waiting for the answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	head := make([]byte, 256)
	n, err := io.ReadFull(resp.Body, head)
	a.bytes = int64(n)
	if err == nil {
		var rest int64
		rest, err = io.Copy(io.Discard, resp.Body)
		a.bytes += rest
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && resp.ContentLength == int64(n) {
		err = nil // shorter than head
	}
	if err != nil {
		return a, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("the answer is %s", resp.Status)
	}
	a.parse(string(head[:n]))
	a.again = !resp.Close
	return a, nil
}

// echo sends a datagram and waits for its echo, letting late echoes of earlier ones pass.
func (c *conn) echo() (a answer, err error) {
	c.n++
	sent := fmt.Sprintf("datagram %d of %s", c.n, c.LocalAddr())
	if _, err := c.Write([]byte(sent)); err != nil {
		return a, fmt.Errorf("sending: %w", err)
	}
	buf := make([]byte, 2048)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return a, fmt.Errorf("waiting for the echo: %w", err)
		}
		body := string(buf[:n])
		if len(body) > len(sent) && body[len(body)-len(sent):] == sent {
			a.parse(body)
			a.bytes, a.again = int64(n), true
			return a, nil
		}
	}
}
