package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/blobs"
	"github.com/skep-org/skep/internal/registry/exchange"
	"github.com/skep-org/skep/internal/store"
)

// TestPushAndPull: what is pushed to one node is on two, is pulled by all at once from those that have it by then, and survives
// the node it was pushed to.
func TestPushAndPull(t *testing.T) {
	c := newCluster(t, 6, 2)
	layer := random(8 << 20)
	c.nodes[0].push("team/app", "1", []byte(`{"architecture":"amd64"}`), layer)
	require.Len(t, store.ImageBlobs.Get(c.store.View(), model.DigestOf(layer).Key()).Holders, 2)

	var g errgroup.Group
	for _, n := range c.nodes[:5] {
		g.Go(func() error { return n.pull("team/app", "1") })
	}
	require.NoError(t, g.Wait())
	require.Less(t, c.nodes[0].sent, int64(len(layer)+1<<20), "the node that was pushed to sends the image once, however many pull it")
	for _, n := range c.nodes[:5] {
		n.settled()
		require.FileExists(t, n.file(layer))
	}

	c.nodes[0].power(false)
	require.NoError(t, c.nodes[5].pull("team/app", "1"), "a new node")
}

func (n *node) file(blob []byte) string {
	hex := strings.TrimPrefix(model.DigestOf(blob).String(), "sha256:")
	return filepath.Join(n.reg.opt.Dir, "blobs", hex[:2], hex)
}

// TestCredential: without it nothing is told but that one is needed, and it is given for this registry's images only.
func TestCredential(t *testing.T) {
	c := newCluster(t, 1, 2)
	r := c.nodes[0].reg
	for _, password := range []string{"", "wrong"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.nodes[0].http.URL+"/v2/", nil)
		require.NoError(t, err)
		if password != "" {
			req.SetBasicAuth(user, password)
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		require.Contains(t, string(body), "skep's socket")
		require.Contains(t, resp.Header.Get("WWW-Authenticate"), "Basic")
	}
	for image, ours := range map[string]bool{"127.0.0.1:5005/app:1": true, "localhost:5005/team/app": true, "127.0.0.1:5000/app": false, "app:1": false, "docker.io/127.0.0.1/app": false, "": false} {
		require.Equal(t, ours, r.Auth(image) != "", image)
	}
	raw, err := base64.URLEncoding.DecodeString(r.Auth("127.0.0.1:5005/app"))
	require.NoError(t, err)
	require.Contains(t, string(raw), r.token)
	header, err := r.BuildAuth(base64.URLEncoding.EncodeToString([]byte(`{"example.org":{"username":"u"}}`)))
	require.NoError(t, err)
	raw, err = base64.URLEncoding.DecodeString(header)
	require.NoError(t, err)
	var all map[string]struct{ Username, Password string }
	require.NoError(t, json.Unmarshal(raw, &all))
	require.Equal(t, "u", all["example.org"].Username)
	require.Equal(t, r.token, all["127.0.0.1:5005"].Password)
	for _, none := range []string{"", base64.URLEncoding.EncodeToString([]byte("null"))} {
		header, err := r.BuildAuth(none)
		require.NoError(t, err)
		raw, err := base64.URLEncoding.DecodeString(header)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &all))
		require.Equal(t, r.token, all["127.0.0.1:5005"].Password)
	}
}

// TestResume: an upload that was interrupted goes on where it was, also after the daemon was restarted; one that nobody goes on
// with is removed.
func TestResume(t *testing.T) {
	c := newCluster(t, 2, 2)
	n := c.nodes[0]
	blob := random(3 << 20)
	at := n.upload("app")
	status, h, text := n.call("PATCH", at, bytes.NewReader(blob[:1<<20]), "Content-Type", "application/octet-stream")
	require.Equal(t, http.StatusAccepted, status, text)
	at = h.Get("Location")
	n.restart()
	status, h, _ = n.call("GET", n.http.URL+at, nil)
	require.Equal(t, http.StatusNoContent, status)
	require.Equal(t, fmt.Sprintf("0-%d", 1<<20-1), h.Get("Range"))
	status, h, text = n.call("PATCH", n.http.URL+h.Get("Location"), bytes.NewReader(blob[1<<20:]), "Content-Type", "application/octet-stream",
		"Content-Range", fmt.Sprintf("%d-%d", 1<<20, len(blob)-1))
	require.Equal(t, http.StatusAccepted, status, text)
	status, text = n.finish(n.http.URL+h.Get("Location"), blob)
	require.Equal(t, http.StatusCreated, status, text)
	require.FileExists(t, c.nodes[1].file(blob), "and it is on another node too")

	n.upload("app")
	require.NoError(t, purgeUploads(n.reg.uploads(), time.Now().Add(-time.Hour)))
	require.Len(t, n.uploadsLeft(), 1)
	require.NoError(t, purgeUploads(n.reg.uploads(), time.Now().Add(time.Hour)))
	require.Empty(t, n.uploadsLeft())
}

func (n *node) uploadsLeft() (left []string) {
	left, _ = filepath.Glob(filepath.Join(n.reg.uploads(), "docker/registry/v2/repositories/app/_uploads/*"))
	return left
}

// TestWrongDigest: content that is not its digest's is refused, from a client and from a node.
func TestWrongDigest(t *testing.T) {
	c := newCluster(t, 3, 2)
	n := c.nodes[0]
	status, h, _ := n.call("PATCH", n.upload("app"), strings.NewReader("one"), "Content-Type", "application/octet-stream")
	require.Equal(t, http.StatusAccepted, status)
	status, text := n.finish(n.http.URL+h.Get("Location"), []byte("another"))
	require.Equal(t, http.StatusBadRequest, status, text)
	require.Contains(t, text, "DIGEST_INVALID")

	layer := random(1 << 20)
	n.push("app", "1", []byte("{}"), layer)
	reader := c.without(layer)
	wrong, from := random(len(layer)), exchange.Peer{}
	reader.spy = func(p exchange.Peer, d model.Digest) io.Reader {
		if d != model.DigestOf(layer) || from != (exchange.Peer{}) && p != from {
			return nil
		}
		from = p
		return bytes.NewReader(wrong)
	}
	require.Error(t, reader.pull("app", "1"), "one node sends something else")
	reader.settled()
	require.NoFileExists(t, reader.file(layer))
	require.NoError(t, reader.pull("app", "1"), "another one does not")
}

// without is a node that does not have a blob.
func (c *cluster) without(blob []byte) *node {
	for _, n := range c.nodes {
		if _, err := os.Stat(n.file(blob)); err != nil {
			return n
		}
	}
	c.t.Fatal("all nodes have the blob")
	return nil
}

// TestChain: nodes that want a blob at the same time give it on as it comes, so that who has it sends it once.
func TestChain(t *testing.T) {
	c := newCluster(t, 8, 1)
	layer := random(8 << 20)
	c.nodes[0].push("app", "1", []byte("{}"), layer)
	c.slow = time.Millisecond // a read
	var g errgroup.Group
	for _, n := range c.nodes[1:] {
		g.Go(func() error { return n.pull("app", "1") })
	}
	require.NoError(t, g.Wait())
	for _, n := range c.nodes {
		require.Less(t, n.sent, int64(len(layer)+1<<20))
	}
}

// TestSpared: one question that gets no answer, over a full link, does not have the node that was pushed to send the image again.
func TestSpared(t *testing.T) {
	c := newCluster(t, 3, 2)
	layer := random(8 << 20)
	c.nodes[0].push("app", "1", []byte("{}"), layer)
	keeper := c.at(exchange.Peer{Node: store.ImageBlobs.Get(c.store.View(), model.DigestOf(layer).Key()).Holders[1]})
	reader := c.without(layer)
	keeper.mute = map[model.Digest]int{model.DigestOf(layer): 1}
	require.NoError(t, reader.pull("app", "1"))
	require.Less(t, c.nodes[0].sent, int64(len(layer)+1<<20))
}

// TestBrokenChain: a node that gives a blob on as it comes and fails is no loss to those behind it.
func TestBrokenChain(t *testing.T) {
	c := newCluster(t, 4, 1)
	layer := random(8 << 20)
	c.nodes[0].push("app", "1", []byte("{}"), layer)
	first, second, broke, again := c.nodes[1], c.nodes[2], newWaits(t), false
	first.spy = func(_ exchange.Peer, d model.Digest) io.Reader {
		if d != model.DigestOf(layer) || again {
			return nil
		}
		again = true
		return io.MultiReader(bytes.NewReader(layer[:1<<20]), broke, iotest.ErrReader(errOff))
	}
	var g errgroup.Group
	g.Go(func() error { return first.pull("app", "1") })
	<-broke.reached
	g.Go(func() error { return second.pull("app", "1") })
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return first.sent > 1<<19
	}, 10*time.Second, time.Millisecond, "what is on its way is given on")
	first.off = true
	close(broke.until)
	_ = g.Wait() // the first one's pull may have failed
	require.NoError(t, second.pull("app", "1"))
}

// waits is at its end when it may, and tells when somebody waits for that.
type waits struct {
	ctx     context.Context //nolint:containedctx // the test's
	until   chan struct{}
	reached chan struct{}
	once    *sync.Once
}

func newWaits(t *testing.T) waits {
	return waits{t.Context(), make(chan struct{}), make(chan struct{}), new(sync.Once)}
}

func (w waits) Read([]byte) (int, error) {
	w.once.Do(func() { close(w.reached) })
	select {
	case <-w.until:
		return 0, io.EOF
	case <-w.ctx.Done():
		return 0, w.ctx.Err()
	}
}

// TestWrongThroughChain: what comes wrong through a node that was sent it is asked of one that has it whole, and only who lied is
// shunned.
func TestWrongThroughChain(t *testing.T) {
	c := newCluster(t, 4, 1)
	layer := random(2 << 20)
	c.nodes[0].push("app", "1", []byte("{}"), layer)
	first, second, sent := c.nodes[1], c.nodes[2], newWaits(t)
	wrong := random(len(layer))
	first.spy = func(_ exchange.Peer, d model.Digest) io.Reader {
		if d != model.DigestOf(layer) {
			return nil
		}
		return io.MultiReader(bytes.NewReader(wrong[:1<<20]), sent, bytes.NewReader(wrong[1<<20:]))
	}
	var g errgroup.Group
	g.Go(func() error { return first.pull("app", "1") })
	<-sent.reached
	g.Go(func() error { return second.pull("app", "1") })
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return first.sent > 1<<19
	}, 10*time.Second, time.Millisecond)
	close(sent.until)
	require.Error(t, g.Wait())
	c.settle()
	require.NoFileExists(t, first.file(layer))
	require.NoFileExists(t, second.file(layer))
	require.NoError(t, second.pull("app", "1"), "the one that has it was not sent anything wrong")
	first.spy = nil
	require.NoError(t, first.pull("app", "1"), "another one has it by now")
}

// TestBrokenOff: a transfer that breaks off goes on at another node, from where it was.
func TestBrokenOff(t *testing.T) {
	c := newCluster(t, 4, 3)
	layer := random(4 << 20)
	c.nodes[0].push("app", "1", []byte("{}"), layer)
	reader, broke := c.without(layer), false
	reader.spy = func(_ exchange.Peer, d model.Digest) io.Reader {
		if d != model.DigestOf(layer) || broke {
			return nil
		}
		broke = true
		return io.MultiReader(bytes.NewReader(layer[:1<<20]), iotest.ErrReader(errOff))
	}
	require.NoError(t, reader.pull("app", "1"))
	require.True(t, broke)
}

// TestStalled: a node that sends nothing any more is given up, and another one goes on.
func TestStalled(t *testing.T) {
	c := newCluster(t, 4, 3)
	layer := random(1 << 20)
	c.nodes[0].push("app", "1", []byte("{}"), layer)
	reader, stalled := c.without(layer), false
	reader.reg.exchange.Stall = 50 * time.Millisecond
	reader.spy = func(_ exchange.Peer, d model.Digest) io.Reader {
		if d != model.DigestOf(layer) || stalled {
			return nil
		}
		stalled = true
		return silent{reader.ctx}
	}
	require.NoError(t, reader.pull("app", "1"))
	require.True(t, stalled)
}

// silent says nothing until its reader has had enough.
type silent struct{ ctx context.Context } //nolint:containedctx // the reader's

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// TestFullDisk: a push to a node whose disk is full is refused with a sentence, in a code that makes clients stop; nothing of it is
// kept, and what is there can still be pulled.
func TestFullDisk(t *testing.T) {
	c := newCluster(t, 2, 2)
	c.nodes[0].push("app", "1", []byte("{}"), random(1000))
	c.nodes[0].reg.exchange.Dir.Free = func(string) (uint64, error) { return 0, nil }
	status, _, text := c.nodes[0].call("POST", "/v2/app/blobs/uploads/", nil)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, `"DENIED"`)
	require.Contains(t, text, "disk is full")
	require.NoError(t, c.nodes[0].pull("app", "1"))

	status, text = c.nodes[1].blob("app", random(1000))
	require.GreaterOrEqual(t, status, 400, "there is no other node to keep it")
	require.Contains(t, text, "full")
}

// TestTags: a tag that is pushed again is another image, which no node misses; one removed is gone, and what it named stays for a
// while, and as long as anything else names it.
func TestTags(t *testing.T) {
	c := newCluster(t, 3, 2)
	config, shared, first, second := []byte("{}"), random(1000), random(1000), random(1000)
	c.nodes[0].push("app", "1", config, shared, first)
	was := c.nodes[1].push("app", "1", config, shared, second)
	c.nodes[1].push("app", "2", config, shared, second)
	status, h, _ := c.nodes[2].call("GET", "/v2/app/manifests/1", nil, "Accept", imageType)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, was.String(), h.Get("Docker-Content-Digest"))
	c.settle()
	_, _, text := c.nodes[2].call("GET", "/v2/app/tags/list", nil)
	require.JSONEq(t, `{"name":"app","tags":["1","2"]}`, text)
	_, _, text = c.nodes[2].call("GET", "/v2/_catalog", nil)
	require.JSONEq(t, `{"repositories":["app"]}`, text)

	require.Zero(t, c.sweep(time.Hour), "what nobody names any more is kept for a while")
	c.late.Store(int64(2 * time.Hour))
	require.Equal(t, 3, c.sweep(time.Hour), "the first image's manifest, its bytes and its layer")
	require.NoError(t, c.nodes[2].pull("app", "1"))

	status, _, text = c.nodes[0].call("DELETE", "/v2/app/manifests/1", nil)
	require.Equal(t, http.StatusAccepted, status, text)
	c.late.Store(int64(5 * time.Hour))
	require.Zero(t, c.sweep(time.Hour), "the other tag names it")
	require.NoError(t, c.nodes[2].pull("app", "2"))
	status, _, text = c.nodes[0].call("DELETE", "/v2/app/manifests/"+was.String(), nil)
	require.Equal(t, http.StatusAccepted, status, text)
	require.ErrorContains(t, c.nodes[2].pull("app", "2"), "404")
	c.late.Store(int64(9 * time.Hour))
	require.NotZero(t, c.sweep(time.Hour))
	require.Zero(t, store.ImageBlobs.Len(c.store.View()))
}

// TestSweepDuringPush: a blob that is collected while a push counts on it makes that push fail, never the image.
func TestSweepDuringPush(t *testing.T) {
	c := newCluster(t, 2, 2)
	n, config, layer := c.nodes[0], []byte("{}"), random(1000)
	for _, b := range [][]byte{config, layer} {
		status, text := n.blob("app", b)
		require.Equal(t, http.StatusCreated, status, text)
	}
	c.sweep(0)
	m := manifestOf(config, layer)
	status, _, text := n.call("PUT", "/v2/app/manifests/1", bytes.NewReader(m), "Content-Type", imageType)
	require.Equal(t, http.StatusBadRequest, status, text)
	require.Contains(t, text, "MANIFEST_BLOB_UNKNOWN")
	n.push("app", "1", config, layer)
	c.sweep(0)
	require.NoError(t, c.nodes[1].pull("app", "1"))
}

// TestConcurrentPushes: many pushes of one tag at once all succeed, and the tag is one of them.
func TestConcurrentPushes(t *testing.T) {
	c := newCluster(t, 3, 2)
	shared := random(1 << 20)
	var g errgroup.Group
	for i := range 12 {
		g.Go(func() error {
			c.nodes[i%3].push("app", "1", []byte(fmt.Sprintf(`{"n":%d}`, i)), shared, random(1000))
			return nil
		})
	}
	require.NoError(t, g.Wait())
	for _, n := range c.nodes {
		require.NoError(t, n.pull("app", "1"))
	}
}

// TestAway: what only nodes have that are down is pushed again, and whoever pulls it is told so.
func TestAway(t *testing.T) {
	c := newCluster(t, 3, 1)
	config, layer := []byte("{}"), random(1000)
	c.nodes[0].push("app", "1", config, layer)
	c.nodes[0].power(false)
	require.ErrorContains(t, c.nodes[1].pull("app", "1"), "no node that has it is up")
	c.nodes[2].push("app", "1", config, layer)
	require.NoError(t, c.nodes[1].pull("app", "1"))
}

// TestCompare: what is no image's any more is removed after a while, a blob that a disk has lost is not counted on, and an old copy goes
// where enough others are.
func TestCompare(t *testing.T) {
	c := newCluster(t, 3, 2)
	config, layer := []byte("{}"), random(1000)
	digest := c.nodes[0].push("app", "1", config, layer)
	for _, n := range c.nodes {
		require.NoError(t, n.pull("app", "1"))
		n.settled()
	}
	holders := func() int { return len(store.ImageBlobs.Get(c.store.View(), model.DigestOf(layer).Key()).Holders) }
	c.compare()
	require.Equal(t, 3, holders())

	for _, n := range c.nodes {
		n.age(layer, 8*24*time.Hour)
	}
	c.compare()
	require.Equal(t, 2, holders())
	require.NoFileExists(t, c.nodes[0].file(layer))

	require.NoError(t, os.Remove(c.nodes[1].file(layer)))
	c.compare()
	require.Equal(t, 1, holders())
	require.NoError(t, c.nodes[0].pull("app", "1"))
	c.nodes[0].settled()

	status, _, text := c.nodes[0].call("DELETE", "/v2/app/manifests/"+digest.String(), nil)
	require.Equal(t, http.StatusAccepted, status, text)
	c.sweep(0)
	c.compare()
	require.FileExists(t, c.nodes[0].file(layer), "it has just come")
	c.nodes[0].age(layer, 2*time.Hour)
	c.compare()
	require.NoFileExists(t, c.nodes[0].file(layer))
}

func (c *cluster) compare() {
	for _, n := range c.nodes {
		require.NoError(c.t, n.reg.Exchange().Compare(c.t.Context()))
	}
}

// age makes a blob one that came a while ago.
func (n *node) age(blob []byte, by time.Duration) {
	then := time.Now().Add(-by)
	require.NoError(n.c.t, os.Chtimes(n.file(blob), then, then))
}

// TestRepair: what a node had that is gone for good is given to another one by one of those that have it too.
func TestRepair(t *testing.T) {
	c := newCluster(t, 3, 2)
	layer := random(1 << 20)
	c.nodes[0].push("app", "1", []byte("{}"), layer)
	holders := store.ImageBlobs.Get(c.store.View(), model.DigestOf(layer).Key()).Holders
	gone := c.at(exchange.Peer{Node: holders[1]})
	gone.power(false)
	spare := c.without(layer)
	for _, n := range c.nodes {
		require.NoError(t, n.reg.Exchange().Repair(t.Context()))
	}
	require.NoFileExists(t, spare.file(layer), "it may be back in a moment")
	c.late.Store(int64(time.Hour))
	for _, n := range c.nodes {
		if n != gone {
			require.NoError(t, n.reg.Exchange().Repair(t.Context()))
		}
	}
	require.FileExists(t, spare.file(layer))
}

// TestRepairWhilePushing: what is just being given to who is to keep it is not given to another node too, because only one has it yet.
func TestRepairWhilePushing(t *testing.T) {
	c := newCluster(t, 4, 2)
	layer := random(8 << 20)
	c.slow = time.Millisecond
	var g errgroup.Group
	g.Go(func() error {
		c.nodes[0].push("app", "1", []byte("{}"), layer)
		return nil
	})
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.nodes[0].sent > 1<<19
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, c.nodes[0].reg.Exchange().Repair(t.Context()))
	require.NoError(t, g.Wait())
	require.Less(t, c.nodes[0].sent, int64(len(layer)+1<<20))
	require.Len(t, store.ImageBlobs.Get(c.store.View(), model.DigestOf(layer).Key()).Holders, 2)
}

// TestRepairGoesOn: a blob that no node has room for keeps none of the others from being given.
func TestRepairGoesOn(t *testing.T) {
	c := newCluster(t, 3, 2)
	var small, large [][]byte
	for range 4 {
		small, large = append(small, random(100)), append(large, random(1<<20))
	}
	c.nodes[2].power(false)
	c.nodes[0].push("app", "1", append(append([][]byte{[]byte("{}")}, small...), large...)...)
	c.nodes[2].power(true)
	c.nodes[1].power(false)
	c.late.Store(int64(time.Hour))
	spare := c.nodes[2]
	spare.reg.exchange.Dir.Free = func(string) (uint64, error) { return blobs.Reserve + 1<<19, nil }
	require.ErrorContains(t, c.nodes[0].reg.Exchange().Repair(t.Context()), "disk is full")
	for _, b := range small {
		require.FileExists(t, spare.file(b))
	}
	for _, b := range large {
		require.NoFileExists(t, spare.file(b))
	}
}
