package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
	"github.com/skep-org/skep/internal/api/versions"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/store/fill"
)

// listRequest is a request whose answer goes to w.
func listRequest(w http.ResponseWriter, r *http.Request) *request {
	return &request{Request: r, w: w, server: &Server{Options: Options{Logger: slog.New(slog.DiscardHandler)}}, version: versions.Newest()}
}

// onWrite is a client that tells of each piece it gets.
type onWrite struct {
	*httptest.ResponseRecorder
	piece func(int)
}

func (w onWrite) Write(p []byte) (int, error) {
	w.piece(len(p))
	return w.ResponseRecorder.Write(p)
}

// TestListIsSentInPieces: what is rendered and not yet sent is never more than a piece and a row.
func TestListIsSentInPieces(t *testing.T) {
	const rows, size = 10_000, 100
	made, sent := 0, 0
	w := onWrite{httptest.NewRecorder(), func(n int) {
		if n > listPiece {
			t.Errorf("a piece of %d bytes", n)
		}
		sent += n
	}}
	err := list(listRequest(w, httptest.NewRequest(http.MethodGet, "/", nil)), versions.Task, func(yield func(string) bool) {
		for made < rows && yield(strings.Repeat("x", size)) {
			made++
			if held := made*size - sent; held > listPiece+size {
				t.Fatalf("%d bytes wait after %d rows", held, made)
			}
		}
	})
	var got []string
	if err != nil || json.Unmarshal(w.Body.Bytes(), &got) != nil || len(got) != rows || !strings.HasSuffix(w.Body.String(), "]\n") {
		t.Fatalf("%v, %d rows of %d", err, len(got), rows)
	}
}

// TestListError: before the first piece an error is the answer; after it, what was sent must not look like a whole list.
func TestListError(t *testing.T) {
	for rows, status := range map[int]int{0: http.StatusInternalServerError, 10_000: 0} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := list(listRequest(w, r), versions.Task, func(yield func(any) bool) {
				for range rows {
					if !yield("0123456789") {
						return
					}
				}
				yield(func() {}) // cannot be encoded
			})
			httperr.Write(w, err, false)
		}))
		resp, err := http.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case status != 0 && (resp.StatusCode != status || err != nil):
			t.Errorf("%d rows: %s, %v", rows, resp.Status, err)
		case status == 0 && err == nil:
			t.Errorf("a list that broke off after %d rows passed for a whole one", rows)
		}
		s.Close()
	}
}

// TestListIsCutOff: a client that stops reading lets go of the state within pieceLimit.
func TestListIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		ended := make(chan time.Duration, 1)
		began := time.Now()
		s := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = list(listRequest(w, r), versions.Task, func(yield func(string) bool) {
				for yield("0123456789") { // without end
				}
			})
			ended <- time.Since(began)
		})}
		l := &oneConn{conns: make(chan net.Conn, 1)}
		l.conns <- server
		go func() { _ = s.Serve(l) }() // ends when it is closed
		if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: docker\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(client, make([]byte, listPiece)); err != nil {
			t.Fatal(err)
		}
		if took := <-ended; took < pieceLimit || took > pieceLimit+time.Second {
			t.Errorf("it was cut off after %s", took)
		}
		s.Close()
		client.Close()
	})
}

// oneConn is a listener for connections that are there already.
type oneConn struct{ conns chan net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l *oneConn) Close() error   { close(l.conns); return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// TestTasksByIndexAreThoseOfAScan: whatever index the candidates come from, the answer is what going through all tasks gives.
func TestTasksByIndexAreThoseOfAScan(t *testing.T) {
	w := newWorld(t)
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	st := w.cluster.manager.Store
	f := fill.New(st, env.Seeded(2, w.clock).NewID)
	var nodes []model.ID
	for i := range 3 {
		nodes = append(nodes, f.Node(i, fill.Description(i)))
	}
	for i := range 4 {
		var spec swarm.ServiceSpec
		spec.Name = fmt.Sprintf("web%d", i)
		spec.Labels = map[string]string{"stack": fmt.Sprint(i % 2)}
		svc := f.Service(spec)
		for slot := range uint64(5) {
			f.Running(svc, slot+1, nodes[slot%3])
		}
		// A global service's: meant for a node, not placed yet.
		f.Write(store.WriterOrchestrator, store.Tasks.Put(&model.Task{ID: model.NumID(uint64(1000 + i)), ServiceID: svc.ID, Revision: svc.Revision,
			NodeID: nodes[i%3], Desired: model.StateRunning}))
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	list := func(filters map[string][]string) (out []swarm.Task) {
		text, _ := json.Marshal(filters)
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/tasks?filters="+url.QueryEscape(string(text)), nil))
		if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
			t.Fatalf("%v: %s", filters, rec.Body)
		}
		return out
	}
	all := list(nil)
	first, last := all[0].ID, all[len(all)-1].ID
	web1, err := findService(st.View(), "web1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		filters map[string][]string
		want    func(swarm.Task) bool
	}{
		{map[string][]string{"node": {"node-1"}}, func(t swarm.Task) bool { return t.NodeID == nodes[1].String() }},
		{map[string][]string{"node": {"node-1", nodes[2].String()}, "service": {"web1"}}, func(t swarm.Task) bool {
			return t.NodeID != nodes[0].String() && t.ServiceID == web1
		}},
		{map[string][]string{"service": {"web1", web1}}, func(t swarm.Task) bool { return t.ServiceID == web1 }},
		{map[string][]string{"label": {"stack=1"}, "node": {"node-0"}}, func(t swarm.Task) bool {
			return t.NodeID == nodes[0].String() && slices.Contains([]string{"web1", "web3"}, nameOf(st.View(), t.ServiceID))
		}},
		{map[string][]string{"label": {"stack=1"}}, func(t swarm.Task) bool {
			return slices.Contains([]string{"web1", "web3"}, nameOf(st.View(), t.ServiceID))
		}},
		{map[string][]string{"id": {first[:4], last, first}}, func(t swarm.Task) bool { return strings.HasPrefix(t.ID, first[:4]) || t.ID == last }},
		{map[string][]string{"name": {"web1.2"}}, func(t swarm.Task) bool { return t.ServiceID == web1 && t.Slot == 2 }},
	} {
		var want []string
		for _, task := range all {
			if tc.want(task) {
				want = append(want, task.ID)
			}
		}
		var got []string
		for _, task := range list(tc.filters) {
			got = append(got, task.ID)
		}
		if len(want) == 0 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: %v, not %v", tc.filters, got, want)
		}
	}
}

func findService(v store.View, name string) (string, error) {
	if s := store.ServiceNamed(v, name); s != nil {
		return s.ID.String(), nil
	}
	return "", fmt.Errorf("there is no service %s", name)
}

func nameOf(v store.View, id string) string {
	parsed, _ := model.ParseID(id)
	return store.Services.ByID(v, parsed).Name
}

// TestServicesByIndexAreThoseOfAScan: the index of names does not tell cases apart, the filter does.
func TestServicesByIndexAreThoseOfAScan(t *testing.T) {
	w := newWorld(t)
	w.request("POST /swarm/init\n" + `{"ListenAddr":"0.0.0.0:2377"}`)
	f := fill.New(w.cluster.manager.Store, env.Seeded(2, w.clock).NewID)
	names := map[string]string{} // by id
	for _, name := range []string{"web", "Web-2", "we", "WEB-3", "wf", "api", "web-1"} {
		var spec swarm.ServiceSpec
		spec.Name = name
		spec.Mode.Global = &swarm.GlobalService{}
		names[f.Service(spec).ID.String()] = name
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	var some string
	for id := range names {
		some = id
	}
	for filter, matches := range map[string]func(id, name string) bool{
		`{"name":["we"]}`:                            func(_, name string) bool { return strings.HasPrefix(name, "we") },
		`{"name":["W"]}`:                             func(_, name string) bool { return strings.HasPrefix(name, "W") },
		`{"name":["web","api"]}`:                     func(_, name string) bool { return strings.HasPrefix(name, "web") || name == "api" },
		`{"name":["w"],"mode":["global"]}`:           func(_, name string) bool { return strings.HasPrefix(name, "w") },
		`{"id":["` + some[:6] + `","` + some + `"]}`: func(id, _ string) bool { return strings.HasPrefix(id, some[:6]) },
	} {
		var want []string
		for id, name := range names {
			if matches(id, name) {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/services?filters="+url.QueryEscape(filter), nil))
		var got []swarm.Service
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %s", filter, rec.Body)
		}
		if !slices.EqualFunc(got, want, func(s swarm.Service, id string) bool { return s.ID == id }) {
			t.Errorf("%s: %d services, not %v", filter, len(got), want)
		}
	}
}
