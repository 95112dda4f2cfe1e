package api

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	dockerevents "github.com/moby/moby/api/types/events"
	"github.com/skep-org/skep/internal/api/events"
	"github.com/skep-org/skep/internal/logs"
	"github.com/skep-org/skep/internal/model"
)

func TestLogFrames(t *testing.T) {
	m := logs.Message{Task: model.NumID(1), Service: model.NumID(2), Node: model.NumID(3), Time: time.Unix(1, 5).UTC(), Stderr: true,
		Attrs: map[string]string{"a b": "c,d"}, Data: []byte("line\n")}
	const ids = "a+b=c%2Cd,com.docker.swarm.node.id=0000000000000000000000003,com.docker.swarm.service.id=0000000000000000000000002," +
		"com.docker.swarm.task.id=0000000000000000000000001"
	for _, tc := range []struct {
		writer logWriter
		want   string
	}{
		{logWriter{}, "\x02\x00\x00\x00\x00\x00\x00\x05line\n"},
		{logWriter{raw: true}, "line\n"},
		{logWriter{raw: true, timestamps: true}, "1970-01-01T00:00:01.000000005Z line\n"},
		{logWriter{raw: true, timestamps: true, details: true}, "1970-01-01T00:00:01.000000005Z " + ids + " line\n"},
	} {
		var out bytes.Buffer
		tc.writer.w = &out
		if err := tc.writer.write(m); err != nil || out.String() != tc.want {
			t.Errorf("got %q, want %q, %v", out.String(), tc.want, err)
		}
	}
}

// fixedLogs yields its messages and ends.
type fixedLogs struct {
	messages []logs.Message
	asked    logs.Options
}

func (f *fixedLogs) Logs(_ context.Context, _ logs.Selector, o logs.Options) (logs.Stream, error) {
	f.asked = o
	return f, nil
}

func (f *fixedLogs) Next(context.Context) (logs.Message, error) {
	if len(f.messages) == 0 {
		return logs.Message{}, io.EOF
	}
	m := f.messages[0]
	f.messages = f.messages[1:]
	return m, nil
}

func (f *fixedLogs) Close() error { return nil }

func TestServiceLogs(t *testing.T) {
	w := newWorld(t)
	source := &fixedLogs{messages: []logs.Message{{Data: []byte("a\n")}, {Data: []byte("b\n"), Stderr: true}}}
	w.server.Logs = source
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	w.request("POST /services/create\n" + `{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a:1"}}}`)
	resp, err := http.Get(w.front.URL + "/v1.42/services/web/logs?stdout=1&stderr=true&follow=1&tail=7&since=3.5")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "\x01\x00\x00\x00\x00\x00\x00\x02a\n\x02\x00\x00\x00\x00\x00\x00\x02b\n" {
		t.Errorf("%q, %v", body, err)
	}
	if kind := resp.Header.Get("Content-Type"); kind != "application/vnd.docker.multiplexed-stream" {
		t.Errorf("content type %s", kind)
	}
	want := logs.Options{Stdout: true, Stderr: true, Follow: true, Tail: 7, Since: time.Unix(3, 5e8)}
	if source.asked != want {
		t.Errorf("asked for %+v, want %+v", source.asked, want)
	}
}

// TestEventsMerge: what is past comes in order of time, then what happens now.
func TestEventsMerge(t *testing.T) {
	lines, done := make(chan []byte), make(chan struct{})
	ring := events.NewRing()
	rec := &recorder{}
	out := eventWriter{rec, http.NewResponseController(rec)}
	own := &ownEvents{ring: ring}
	waiting := []dockerevents.Message{{Action: "own1", TimeNano: 10}, {Action: "own2", TimeNano: 30}}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		merge(t.Context(), own, lines, done, out, waiting)
	}()
	for _, at := range []int{5, 20, 25} {
		lines <- fmt.Appendf(nil, `{"Action":"engine%d","timeNano":%d}`, at, at)
	}
	close(done)
	<-finished
	var order []string
	for line := range strings.Lines(rec.String()) {
		_, rest, _ := strings.Cut(line, `"Action":"`)
		name, _, _ := strings.Cut(rest, `"`)
		order = append(order, name)
	}
	if got := strings.Join(order, " "); got != "engine5 own1 engine20 engine25 own2" {
		t.Errorf("%s", got)
	}
}

// TestPastEvents: who says until when wants what was, from the beginning unless it says since when, too.
func TestPastEvents(t *testing.T) {
	w := newWorld(t)
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	w.engine["GET /events"] = "200 "
	ctx, stop := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	go func() { followed <- w.server.Events.Follow(ctx, w.cluster.Manager().(*fakeManager).Store) }()
	defer func() {
		stop()
		_ = <-followed
	}()
	_, _, more := w.server.Events.From(0)
	w.request("POST /configs/create\n" + `{"Name":"c","Data":"eA=="}`)
	<-more
	at := w.clock.Now().Unix()
	for query, want := range map[string]bool{
		fmt.Sprintf("since=0&until=%d", at+9):         true,
		fmt.Sprintf("until=%d", at+9):                 true,
		fmt.Sprintf("since=%d&until=%d", at-9, at+9):  true,
		fmt.Sprintf("since=%d&until=%d", at+9, at+99): false,
		fmt.Sprintf("until=%d", at-9):                 false,
	} {
		said := w.request("GET /v1.41/events?" + query)
		if got := strings.Contains(said, `"config"`); got != want {
			t.Errorf("%s: %s", query, said)
		}
	}
}

type recorder struct {
	bytes.Buffer
	header http.Header
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(int)     {}
func (r *recorder) Flush()              {}

// TestServeEnds: a daemon that stops does not wait for clients that follow something.
func TestServeEnds(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.server.Logs = endless{}
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	w.request("POST /services/create\n" + `{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a:1"}}}`)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, l) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/services/web/logs?stdout=1&follow=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := bufio.NewReader(resp.Body).ReadByte(); err == nil {
		t.Error("the stream goes on")
	}
}

// endless never says anything.
type endless struct{}

func (endless) Logs(context.Context, logs.Selector, logs.Options) (logs.Stream, error) {
	return endless{}, nil
}

func (endless) Next(ctx context.Context) (logs.Message, error) {
	<-ctx.Done()
	return logs.Message{}, ctx.Err()
}

func (endless) Close() error { return nil }
