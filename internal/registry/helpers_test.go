package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/registry/records"
	"github.com/skep-org/skep/internal/store"
	"github.com/skep-org/skep/internal/wire"
)

func TestMain(m *testing.M) {
	// The library makes a broadcaster of events that are sent to nobody, and never ends it.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/docker/go-events.(*Broadcaster).run"))
}

// cluster is nodes with registries in one process, and one store in the managers' place.
type cluster struct {
	t     *testing.T
	mu    sync.Mutex
	store *store.Store
	late  atomic.Int64  // by how much the clock is ahead, nanoseconds
	slow  time.Duration // what a read from another node takes
	nodes []*node
	other Mirrored // the registries that are mirrored
}

type node struct {
	c    *cluster
	id   model.ID
	reg  *Registry
	http *httptest.Server
	sent int64 // bytes of blobs given to others
	spy  func(exchange.Peer, model.Digest) io.Reader
	off  bool
	mute map[model.Digest]int // how many questions for a blob it leaves without an answer
	ctx  context.Context      //nolint:containedctx // of the newest fetch, for the spy
}

func newCluster(t *testing.T, nodes, copies int) *cluster {
	return newMirrors(t, nodes, copies, Mirrored{})
}

func newMirrors(t *testing.T, nodes, copies int, other Mirrored) *cluster {
	c := &cluster{t: t, store: store.New(), other: other}
	for i := range nodes {
		n := &node{c: c, id: model.NumID(uint64(i + 1))}
		c.nodes = append(c.nodes, n)
		n.start(t.TempDir(), copies)
		c.commit(store.WriterInit, store.NodeSpecs.Put(&model.NodeSpec{ID: n.id, Spec: model.DocOf(swarm.NodeSpec{})}),
			store.NodeStates.Put(&model.NodeState{ID: n.id, State: model.ReachReady}))
		require.NoError(t, n.Record(t.Context(), &wire.RegistryChange{What: &wire.RegistryChange_Serve{Serve: fmt.Sprintf("node%d:2377", i+1)}}))
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.stop()
		}
	})
	return c
}

func (n *node) start(dir string, copies int) {
	reg, err := Open(Options{Addr: "127.0.0.1:5005", Dir: dir, Copies: copies, Mirror: n.c.other, Cluster: n, Env: env.Real(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(n.c.t, err)
	reg.serving.Store(true)
	n.reg, n.http = reg, httptest.NewServer(reg)
}

func (n *node) stop() {
	n.http.Close()
	n.reg.Close()
}

// restart is a daemon that ends and begins again.
func (n *node) restart() {
	opt := n.reg.opt
	n.stop()
	n.start(opt.Dir, opt.Copies)
}

// power switches a node off, which the managers notice at once, or on.
func (n *node) power(on bool) {
	n.off = !on
	s := model.NodeState{ID: n.id, State: model.ReachReady}
	if n.off {
		s.State, s.Since = model.ReachDown, time.Now().UnixNano()
	}
	n.c.commit(store.WriterDispatcher, store.NodeStates.Put(&s))
}

func (c *cluster) commit(w store.Writer, changes ...store.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := store.Direct{Store: c.store, Now: c.now}.Commit(&store.Batch{Writer: w, Changes: changes}).Wait(c.t.Context())
	require.NoError(c.t, err)
}

func (c *cluster) now() time.Time { return time.Now().Add(time.Duration(c.late.Load())) }

func (n *node) Look(_ context.Context, q *wire.RegistryQuery) (*wire.RegistryAnswer, error) {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	return records.Answer(n.c.store.View(), n.id, q, n.c.now())
}

func (n *node) Record(ctx context.Context, ch *wire.RegistryChange) error {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	b, err := records.Change(n.c.store.View(), n.id, ch)
	if err != nil || b == nil {
		return err
	}
	_, err = store.Direct{Store: n.c.store, Now: n.c.now}.Commit(b).Wait(ctx)
	return err
}

var errOff = errors.New("the node is off")

func (c *cluster) at(p exchange.Peer) *node {
	for _, n := range c.nodes {
		if n.id == p.Node {
			return n
		}
	}
	return nil
}

func (n *node) Fetch(ctx context.Context, from exchange.Peer, r exchange.Request) (io.ReadCloser, error) {
	other := n.c.at(from)
	if other.off {
		return nil, errOff
	}
	if other.silent(r.Blob) {
		return nil, errOff
	}
	b, err := other.reg.Exchange().Serve(ctx, n.id, r)
	if err != nil {
		return nil, err
	}
	if n.spy != nil {
		n.ctx = ctx
		if instead := n.spy(from, r.Blob); instead != nil {
			return wrapped{instead, b}, nil
		}
	}
	return wrapped{&counted{b, other}, b}, nil
}

func (n *node) silent(d model.Digest) bool {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	if n.mute[d] == 0 {
		return false
	}
	n.mute[d]--
	return true
}

func (n *node) Give(ctx context.Context, to exchange.Peer, d model.Digest, size int64, body io.Reader) error {
	other := n.c.at(to)
	if other.off {
		return errOff
	}
	return other.reg.Exchange().Take(ctx, d, size, &counted{body, n})
}

type wrapped struct {
	io.Reader
	io.Closer
}

type counted struct {
	io.Reader
	by *node
}

func (c *counted) Read(p []byte) (int, error) {
	time.Sleep(c.by.c.slow)
	n, err := c.Reader.Read(p)
	c.by.c.mu.Lock()
	c.by.sent += int64(n)
	c.by.c.mu.Unlock()
	return n, err
}

// call makes a request with the node's credential.
func (n *node) call(method, url string, body io.Reader, header ...string) (int, http.Header, string) {
	if strings.HasPrefix(url, "/") {
		url = n.http.URL + url
	}
	req, err := http.NewRequestWithContext(n.c.t.Context(), method, url, body)
	require.NoError(n.c.t, err)
	req.SetBasicAuth(user, n.reg.token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(n.c.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, resp.Header, err.Error()
	}
	return resp.StatusCode, resp.Header, string(raw)
}

// upload begins an upload and returns where it goes on.
func (n *node) upload(repository string) string {
	status, h, text := n.call("POST", "/v2/"+repository+"/blobs/uploads/", nil)
	require.Equal(n.c.t, http.StatusAccepted, status, text)
	return n.http.URL + h.Get("Location")
}

func (n *node) finish(at string, blob []byte) (int, string) {
	status, _, text := n.call("PUT", at+"&digest="+model.DigestOf(blob).String(), nil)
	return status, text
}

// blob pushes a blob as the engine does: unless it is there.
func (n *node) blob(repository string, blob []byte) (int, string) {
	if status, _, _ := n.call("HEAD", "/v2/"+repository+"/blobs/"+model.DigestOf(blob).String(), nil); status == http.StatusOK {
		return http.StatusCreated, ""
	}
	at := n.upload(repository)
	status, h, text := n.call("PATCH", at, bytes.NewReader(blob), "Content-Type", "application/octet-stream")
	if status != http.StatusAccepted {
		return status, text
	}
	return n.finish(n.http.URL+h.Get("Location"), blob)
}

const imageType = "application/vnd.docker.distribution.manifest.v2+json"

func manifestOf(blobs ...[]byte) []byte {
	type desc struct {
		MediaType string `json:"mediaType"`
		Size      int    `json:"size"`
		Digest    string `json:"digest"`
	}
	var list []desc
	for _, b := range blobs {
		list = append(list, desc{"application/vnd.docker.image.rootfs.diff.tar.gzip", len(b), model.DigestOf(b).String()})
	}
	list[0].MediaType = "application/vnd.docker.container.image.v1+json"
	raw, _ := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": imageType, "config": list[0], "layers": list[1:]})
	return raw
}

// push pushes an image and returns its digest.
func (n *node) push(repository, tag string, blobs ...[]byte) model.Digest {
	n.c.t.Helper()
	for _, b := range blobs {
		status, text := n.blob(repository, b)
		require.Equal(n.c.t, http.StatusCreated, status, text)
	}
	m := manifestOf(blobs...)
	status, _, text := n.call("PUT", "/v2/"+repository+"/manifests/"+tag, bytes.NewReader(m), "Content-Type", imageType)
	require.Equal(n.c.t, http.StatusCreated, status, text)
	return model.DigestOf(m)
}

// pull pulls an image whole, and says why it could not.
func (n *node) pull(repository, tag string) error {
	n.c.t.Helper()
	status, _, text := n.call("GET", "/v2/"+repository+"/manifests/"+tag, nil, "Accept", imageType)
	if status != http.StatusOK {
		return fmt.Errorf("manifest: %d %s", status, text)
	}
	var m struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	for _, one := range append(m.Layers, m.Config) {
		status, _, body := n.call("GET", "/v2/"+repository+"/blobs/"+one.Digest, nil)
		if status != http.StatusOK || model.DigestOf([]byte(body)).String() != one.Digest {
			return fmt.Errorf("blob %s: %d, %d bytes: %.200s", one.Digest, status, len(body), body)
		}
	}
	return nil
}

// settled returns when nothing is on its way to the node.
func (n *node) settled() {
	require.Eventually(n.c.t, func() bool { return n.reg.exchange.Flying() == 0 }, 10*time.Second, time.Millisecond)
}

func (c *cluster) settle() {
	for _, n := range c.nodes {
		n.settled()
	}
}

func random(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	return b
}

// sweep collects what nobody refers to.
func (c *cluster) sweep(grace time.Duration) (rows int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, pass := range []func(store.View, time.Time, time.Duration) records.Swept{
		records.SweepManifests, records.SweepManifests, records.SweepManifests, records.SweepBlobs,
	} {
		for _, b := range pass(c.store.View(), c.now(), grace).Batches {
			rows += len(b.Changes)
			_, err := store.Direct{Store: c.store, Now: c.now}.Commit(b).Wait(c.t.Context())
			require.NoError(c.t, err)
		}
	}
	return rows
}
