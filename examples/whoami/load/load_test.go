package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestNothingIsSentTwice: a server that takes the second request of each connection and says nothing more makes every
// second request fail; net/http's client would hide all of that.
func TestNothingIsSentTwice(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	var seen atomic.Int64
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(c)
			for n := range 2 {
				if _, err := http.ReadRequest(in); err != nil {
					break
				}
				seen.Add(1)
				if n == 0 {
					_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nweb.1 1.2.3.4\n")
				}
			}
			_ = c.Close()
		}
	}()
	r, err := Ask(t.Context(), Options{Count: 10, Connections: "keep", Timeout: time.Second, Targets: []string{"http://" + ln.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 10 || r.Failures != 5 || seen.Load() != 10 {
		t.Errorf("%d requests, %d failures, the server saw %d: %v", r.Requests, r.Failures, seen.Load(), r)
	}
	for _, f := range r.Failed {
		if !f.Kept || !strings.HasPrefix(f.Reason, "waiting for the answer") {
			t.Errorf("a failure is told as %+v", f)
		}
	}
}

func echo(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		buf := make([]byte, 2048)
		for i := 0; ; i++ {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if i%4 != 3 {
				_, _ = c.WriteTo([]byte("echo.1 "+from.String()+"\n"+string(buf[:n])), from)
			}
		}
	}()
	return "udp://" + c.LocalAddr().String()
}

// TestReport counts by target, both kinds of connections in turn, and tells who answered and whom they saw.
func TestReport(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sick" {
			http.Error(w, "sick", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintf(w, "web.2 %s\n%s", r.RemoteAddr, strings.Repeat("x", 1000))
	}))
	defer s.Close()
	var out bytes.Buffer
	args := []string{"-rate", "500", "-count", "8", "-timeout", "200ms", s.URL + "/", s.URL + "/sick", echo(t), "http://127.0.0.1:1/"}
	if err := Run(t.Context(), args, nil, &out); err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		failures, reused int
		who, reason      string
	}{{0, 3, "web.2", ""}, {8, 0, "", "the answer is 503"}, {2, 0, "echo.1", "waiting for the echo: time is up"}, {8, 0, "", "connecting: connection refused"}} {
		got := r.Targets[i]
		if got.Requests != 8 || got.Failures != want.failures || want.reused > 0 && got.Reused < want.reused {
			t.Errorf("%s: %+v, wanted %+v", got.URL, got, want)
		}
		if want.who != "" && (got.Who[want.who] != 8-want.failures || got.Remotes["127.0.0.1"] != 8-want.failures) {
			t.Errorf("%s: answered by %v for %v", got.URL, got.Who, got.Remotes)
		}
		for _, f := range r.Failed {
			if f.Target == got.URL && !strings.HasPrefix(f.Reason, want.reason) {
				t.Errorf("%s failed: %s, wanted %q", f.Target, f.Reason, want.reason)
			}
		}
	}
	if r.Requests != 32 || r.Failures != 18 || r.P50 == 0 || r.Max < r.P50 {
		t.Errorf("in all: %v", &r)
	}
}

// TestEndsWithItsInput is how a test ends a run in a container.
func TestEndsWithItsInput(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a b\n")) }))
	defer s.Close()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := Run(ctx, []string{"-stdin", "-workers", "2", s.URL}, strings.NewReader(""), &out); err != nil || ctx.Err() != nil || !json.Valid(out.Bytes()) {
		t.Errorf("%v, %v: %s", err, ctx.Err(), out.String())
	}
}

func TestRefused(t *testing.T) {
	for _, args := range [][]string{{}, {"ftp://x:1"}, {"udp://x"}, {"-connections", "new keep", "http://x"}} {
		if err := Run(t.Context(), args, nil, nil); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

func TestNames(t *testing.T) {
	var out bytes.Buffer
	if err := Lookup(t.Context(), []string{"localhost", "nowhere.invalid"}, nil, &out); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(&out)
	var a, b Names
	if err := dec.Decode(&a); err != nil || len(a.Addrs) != 1 || a.Addrs[0] != "127.0.0.1" {
		t.Errorf("%v: %+v", err, a)
	}
	if err := dec.Decode(&b); err != nil || len(b.Addrs) > 0 || b.Error == "" {
		t.Errorf("%v: %+v", err, b)
	}
}
