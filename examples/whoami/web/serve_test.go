package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// start runs a server on a port of its own.
func start(t *testing.T, s *server) (addr string, end context.CancelFunc, done <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, port) }()
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	for range 500 {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return addr, end, ended
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the server does not listen")
	return "", nil, nil
}

// TestFinishes: after it was told to end a server answers once more on each connection, and on new ones, and says that
// this was the last time; with the last connection it ends.
func TestFinishes(t *testing.T) {
	addr, end, done := start(t, newServer(io.Discard))
	type client struct {
		net.Conn
		in *bufio.Reader
	}
	dial := func() client {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return client{c, bufio.NewReader(c)}
	}
	get := func(c client) bool {
		if _, err := io.WriteString(c, "GET /who HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.Close
	}
	kept := []client{dial(), dial(), dial()}
	for i, c := range kept {
		if get(c) {
			t.Errorf("connection %d ends though nothing else does", i)
		}
	}
	end()
	time.Sleep(2 * quietFor) // longer than nobody may be connected
	for i, c := range append(kept, dial()) {
		if !get(c) {
			t.Errorf("connection %d is not told that it ends", i)
		}
		_ = c.Close()
	}
	began := time.Now()
	if err := <-done; err != nil || time.Since(began) > endWithin/2 {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// TestChain asks through two servers, and by UDP.
func TestChain(t *testing.T) {
	t.Setenv("TASK_NAME", "web.1")
	t.Setenv("NODE_NAME", "w1")
	last, endLast, lastDone := start(t, newServer(io.Discard))
	s := newServer(io.Discard)
	s.next = "http://" + last + "/chain"
	first, endFirst, firstDone := start(t, s)
	said, err := askNext(t.Context(), "http://"+first+"/")
	if want := strings.Repeat("web.1 on w1, asked by 127.0.0.1\n", 2); err != nil || string(said) != want {
		t.Errorf("%v: %q, wanted %q", err, said, want)
	}
	c, err := net.Dial("udp", first)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	buf := make([]byte, 100)
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(buf)
	if want := "web.1 " + c.LocalAddr().String() + "\nhello"; err != nil || string(buf[:n]) != want {
		t.Errorf("%v: %q, wanted %q", err, buf[:n], want)
	}
	endLast()
	if err := <-lastDone; err != nil {
		t.Error(err)
	}
	if _, err := askNext(t.Context(), "http://"+first+"/"); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("without the last server: %v", err)
	}
	endFirst()
	if err := <-firstDone; err != nil {
		t.Error(err)
	}
}

// TestFinishesOnABusyMachine: a server that gets no time for longer than it would wait for quiet has seen no quiet.
func TestFinishesOnABusyMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.connected.Store(1)
		looks := 0
		s.finish(func(d time.Duration) {
			switch looks++; looks {
			case 1:
				d = 2 * quietFor
			case 5:
				s.connected.Store(0) // it has heard that its answer was the last
			}
			time.Sleep(d)
		})
		if looks < 5+int(quietFor/lookEach)-1 {
			t.Errorf("the server ended after %d looks, with somebody connected until the fifth", looks)
		}
	})
}
