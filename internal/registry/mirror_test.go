package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/registry/mirror"
	"github.com/skep-org/skep/internal/store"
)

// upstream is another registry, as people run it.
type upstream struct {
	t        *testing.T
	srv      *httptest.Server
	password string // empty: none is wanted

	mu  sync.Mutex
	got map[string]int // blobs that were read, by digest
}

const upstreamName = "registry.example.org"

func newUpstream(t *testing.T) *upstream {
	prepare()
	u := &upstream{t: t, got: map[string]int{}}
	c := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	c.Storage["maintenance"] = configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}}
	c.HTTP.Secret, c.Catalog.MaxEntries = "test", 100
	app := handlers.NewApp(context.Background(), c)
	u.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != u.password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			u.mu.Lock()
			u.got[filepath.Base(r.URL.Path)]++
			u.mu.Unlock()
		}
		app.ServeHTTP(w, r)
	}))
	t.Cleanup(u.srv.Close)
	return u
}

// mirrored is how nodes mirror it under a name.
func (u *upstream) mirrored(name string, fresh time.Duration) Mirrored {
	one, err := mirror.ParseUpstream(name + "=" + u.srv.URL)
	require.NoError(u.t, err)
	return Mirrored{Upstreams: []mirror.Upstream{one}, Fresh: fresh}
}

func (u *upstream) reads(blob []byte) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.got[model.DigestOf(blob).String()]
}

func (u *upstream) call(method, url string, body []byte, contentType string, want int) http.Header {
	req, err := http.NewRequestWithContext(u.t.Context(), method, url, bytes.NewReader(body))
	require.NoError(u.t, err)
	req.Header.Set("Content-Type", contentType)
	req.SetBasicAuth("u", u.password)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(u.t, err)
	defer resp.Body.Close()
	require.Equal(u.t, want, resp.StatusCode, "%s %s", method, url)
	return resp.Header
}

// push pushes an image and returns its manifest.
func (u *upstream) push(repository, tag string, blobs ...[]byte) []byte {
	for _, b := range blobs {
		h := u.call("POST", u.srv.URL+"/v2/"+repository+"/blobs/uploads/", nil, "", http.StatusAccepted)
		u.call("PUT", h.Get("Location")+"&digest="+model.DigestOf(b).String(), b, "application/octet-stream", http.StatusCreated)
	}
	m := manifestOf(blobs...)
	u.call("PUT", u.srv.URL+"/v2/"+repository+"/manifests/"+tag, m, imageType, http.StatusCreated)
	return m
}

// kept returns when the cluster has a tag of a mirrored repository.
func (c *cluster) kept(repository, tag string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		return store.ImageTags.Get(c.store.View(), model.TagID(repository, tag).Key()) != nil
	}, 10*time.Second, time.Millisecond)
}

// TestMirror: an image of another registry is passed on, and kept: the next node does not ask for its layers, and all can have it while
// the other registry is gone.
func TestMirror(t *testing.T) {
	u := newUpstream(t)
	c := newMirrors(t, 4, 2, u.mirrored(upstreamName, 0))
	config, layer := []byte(`{"os":"linux"}`), random(3<<20)
	u.push("team/app", "1", config, layer)
	const name = "mirror/" + upstreamName + "/team/app"
	require.NoError(t, c.nodes[0].pull(name, "1"))
	c.kept(name, "1")
	require.NoError(t, c.nodes[1].pull(name, "1"))
	require.Equal(t, 1, u.reads(layer))
	require.ErrorContains(t, c.nodes[1].pull(name, "2"), "404")
	require.ErrorContains(t, c.nodes[1].pull(name, "2"), upstreamName+" has no tag 2")

	status, _, text := c.nodes[0].call("PUT", "/v2/"+name+"/manifests/1", bytes.NewReader(manifestOf(config, layer)), "Content-Type", imageType)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, "push under another name")

	u.srv.Close()
	require.NoError(t, c.nodes[2].pull(name, "1"), "what is here is served")
	require.ErrorContains(t, c.nodes[2].pull(name, "2"), "ask "+upstreamName)
	require.ErrorContains(t, c.nodes[2].pull("mirror/elsewhere.example.org/app", "1"), "404")
}

// TestMirrorTags: a tag that names something else by now is asked again when it was not for a while.
func TestMirrorTags(t *testing.T) {
	u := newUpstream(t)
	c := newMirrors(t, 1, 1, u.mirrored(upstreamName, time.Hour))
	n := c.nodes[0]
	const name = "mirror/" + upstreamName + "/app"
	tagged := func() string {
		status, h, text := n.call("HEAD", "/v2/"+name+"/manifests/1", nil, "Accept", imageType)
		require.Equal(t, http.StatusOK, status, text)
		return h.Get("Docker-Content-Digest")
	}
	first := u.push("app", "1", []byte("{}"), random(100))
	require.NoError(t, n.pull(name, "1"))
	c.kept(name, "1")
	second := u.push("app", "1", []byte("{}"), random(100))
	require.Equal(t, model.DigestOf(first).String(), tagged())
	n.restart() // it asks anew
	require.Equal(t, model.DigestOf(second).String(), tagged())
	require.NoError(t, n.pull(name, "1"))
	require.NoError(t, n.pull(name, model.DigestOf(first).String()), "by its digest it is still here")
}

// TestMirrorAtOnce: however many nodes want an image at the same time, the other registry sends it once or twice.
func TestMirrorAtOnce(t *testing.T) {
	u := newUpstream(t)
	c := newMirrors(t, 8, 2, u.mirrored(upstreamName, 0))
	layer := random(8 << 20)
	u.push("app", "1", []byte("{}"), layer)
	c.slow = time.Millisecond
	var g errgroup.Group
	for _, n := range c.nodes {
		g.Go(func() error { return n.pull("mirror/"+upstreamName+"/app", "1") })
	}
	require.NoError(t, g.Wait())
	require.LessOrEqual(t, u.reads(layer), 2)
}

// TestMirrorList: of a list of images the one that is pulled is kept.
func TestMirrorList(t *testing.T) {
	u := newUpstream(t)
	c := newMirrors(t, 2, 1, u.mirrored(upstreamName, 0))
	layers := [][]byte{random(1000), random(1000)}
	type entry struct {
		MediaType string            `json:"mediaType"`
		Size      int               `json:"size"`
		Digest    string            `json:"digest"`
		Platform  map[string]string `json:"platform"`
	}
	var list []entry
	for i, l := range layers {
		m := u.push("app", fmt.Sprint("arch", i), []byte(fmt.Sprintf(`{"n":%d}`, i)), l)
		list = append(list, entry{imageType, len(m), model.DigestOf(m).String(), map[string]string{"os": "linux", "architecture": fmt.Sprint("arch", i)}})
	}
	const listType = "application/vnd.docker.distribution.manifest.list.v2+json"
	raw, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": listType, "manifests": list})
	require.NoError(t, err)
	u.call("PUT", u.srv.URL+"/v2/app/manifests/1", raw, listType, http.StatusCreated)

	const name = "mirror/" + upstreamName + "/app"
	status, h, text := c.nodes[0].call("GET", "/v2/"+name+"/manifests/1", nil, "Accept", listType)
	require.Equal(t, http.StatusOK, status, text)
	require.Equal(t, listType, h.Get("Content-Type"))
	require.Equal(t, string(raw), text)
	require.NoError(t, c.nodes[0].pull(name, list[1].Digest))
	row := model.ManifestID(name, model.DigestOf(raw))
	require.Eventually(t, func() bool {
		m := store.ImageManifests.Get(c.store.View(), row.Key())
		return m != nil && len(m.Manifests) == 1
	}, 10*time.Second, time.Millisecond)
	c.kept(name, "1")
	require.Zero(t, u.reads(layers[0]), "nobody asked for the other one")
	u.srv.Close()
	require.NoError(t, c.nodes[1].pull(name, list[1].Digest))
	require.Error(t, c.nodes[1].pull(name, list[0].Digest))
}

// TestMirrorAge: a mirrored image that is not used goes in the end, with its blobs; one that is used stays.
func TestMirrorAge(t *testing.T) {
	u := newUpstream(t)
	c := newMirrors(t, 2, 2, u.mirrored(upstreamName, 0))
	u.push("app", "1", []byte("{}"), random(1000))
	const name = "mirror/" + upstreamName + "/app"
	require.NoError(t, c.nodes[0].pull(name, "1"))
	c.kept(name, "1")
	c.late.Store(int64(13 * 24 * time.Hour))
	require.Zero(t, c.sweep(0))
	c.late.Store(int64(15 * 24 * time.Hour))
	require.NotZero(t, c.sweep(time.Hour))
	require.Zero(t, store.ImageTags.Len(c.store.View()))
	require.Zero(t, store.ImageManifests.Len(c.store.View()))
	require.Zero(t, store.ImageBlobs.Len(c.store.View()))
	require.NoError(t, c.nodes[1].pull(name, "1"), "it is fetched again")
}

// TestMirrorFullDisk: what cannot be kept is passed on.
func TestMirrorFullDisk(t *testing.T) {
	u := newUpstream(t)
	c := newMirrors(t, 1, 1, u.mirrored(upstreamName, 0))
	u.push("app", "1", []byte("{}"), random(1<<20))
	c.nodes[0].reg.exchange.Dir.Free = func(string) (uint64, error) { return 0, nil }
	require.NoError(t, c.nodes[0].pull("mirror/"+upstreamName+"/app", "1"))
	require.Zero(t, store.ImageBlobs.Len(c.store.View()))
}

// TestMirrorCredentials: the other registry gets its credential from a file, whose content may change.
func TestMirrorCredentials(t *testing.T) {
	u := newUpstream(t)
	u.password = "right"
	u.push("app", "1", []byte("{}"), random(1000))
	file := filepath.Join(t.TempDir(), "config.json")
	login := func(password string) {
		auth := base64.StdEncoding.EncodeToString([]byte("u:" + password))
		raw := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, strings.TrimPrefix(u.srv.URL, "http://"), auth)
		require.NoError(t, os.WriteFile(file, []byte(raw), 0o600))
	}
	m := u.mirrored(upstreamName, 0)
	m.Credentials = file
	login("wrong")
	c := newMirrors(t, 1, 1, m)
	require.ErrorContains(t, c.nodes[0].pull("mirror/"+upstreamName+"/app", "1"), "401")
	login("right")
	require.NoError(t, c.nodes[0].pull("mirror/"+upstreamName+"/app", "1"))
}

// TestHub: engines whose registry-mirrors point at the mirror's own address read docker.io's images there, and nothing else.
func TestHub(t *testing.T) {
	u := newUpstream(t)
	c := newMirrors(t, 1, 1, u.mirrored(mirror.Hub, 0))
	n := c.nodes[0]
	layer := random(1000)
	m := u.push("library/app", "1", []byte("{}"), layer)
	secret := random(100)
	manifest := n.push("secret", "1", []byte("{}"), secret)
	hub := httptest.NewServer(http.HandlerFunc(n.reg.serveHub))
	defer hub.Close()
	read := func(method, path string) (int, string) {
		status, _, text := n.call(method, hub.URL+path, nil, "Accept", imageType, "Authorization", "")
		return status, text
	}
	status, _ := read("GET", "/v2/")
	require.Equal(t, http.StatusOK, status)
	status, text := read("GET", "/v2/library/app/manifests/1")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, string(m), text)
	status, text = read("GET", "/v2/library/app/blobs/"+model.DigestOf(layer).String())
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, string(layer), text)
	for _, path := range []string{"/v2/secret/manifests/1", "/v2/../../secret/manifests/1", "/v2/%2e%2e/%2e%2e/secret/manifests/1",
		"/v2/library/app/manifests/" + manifest.String(), "/v2/library/app/blobs/" + model.DigestOf(secret).String(), "/v2/library/app/tags/list", "/v2/_catalog"} {
		status, text = read("GET", path)
		require.GreaterOrEqual(t, status, 400, "%s: %s", path, text)
	}
	c.kept("mirror/docker.io/library/app", "1")
	u.srv.Close()
	for _, path := range []string{"/v2/library/app/manifests/1", "/v2/library/app/manifests/" + model.DigestOf(m).String(), "/v2/library/app/blobs/" + model.DigestOf(layer).String()} {
		status, text = read("GET", path)
		require.Equal(t, http.StatusOK, status, "%s: %s", path, text)
	}
	status, _ = read("POST", "/v2/library/app/blobs/uploads/")
	require.Equal(t, http.StatusForbidden, status)
	require.NoError(t, n.pull("mirror/docker.io/app", "1"), "as people name it")
}
