package docker_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/skep-org/skep/internal/lab/engine"
	"golang.org/x/sys/unix"
)

// registry is one image, org/app:1, for those who know the password.
type registry struct {
	address  string
	password string
	manifest []byte
	blobs    map[string][]byte
	digest   string
}

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// startRegistry serves on the engine's own loopback device, where an engine needs no certificate.
func startRegistry(t *testing.T, e *engine.Engine) *registry {
	t.Helper()
	var plain, zipped bytes.Buffer
	w := tar.NewWriter(&plain)
	if err := w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: 3}); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("app"))
	_ = w.Close()
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(plain.Bytes())
	_ = z.Close()
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Entrypoint": []string{"/app"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digestOf(plain.Bytes())}},
	})
	if err != nil {
		t.Fatal(err)
	}
	describe := func(kind string, b []byte) map[string]any {
		return map[string]any{"mediaType": "application/vnd.docker." + kind, "size": len(b), "digest": digestOf(b)}
	}
	r := &registry{password: "right", blobs: map[string][]byte{digestOf(config): config, digestOf(zipped.Bytes()): zipped.Bytes()}}
	r.manifest, err = json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "config": describe("container.image.v1+json", config),
		"layers": []any{describe("image.rootfs.diff.tar.gzip", zipped.Bytes())},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.digest = digestOf(r.manifest)
	l := listenIn(t, e.NetNS())
	r.address = l.Addr().String()
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: r}}
	s.Start()
	t.Cleanup(s.Close)
	return r
}

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

// listenIn listens in another network namespace; the thread that went there ends with its goroutine.
func listenIn(t *testing.T, netns string) net.Listener {
	t.Helper()
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		ns, err := os.Open(netns)
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			_ = ns.Close()
		}
		var l net.Listener
		if err == nil {
			l, err = net.Listen("tcp", "127.0.0.1:0")
		}
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.l
}

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if _, password, ok := req.BasicAuth(); !ok || password != r.password {
		w.Header().Set("Www-Authenticate", `Basic realm="test"`)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"the password is another one now"}]}`))
		return
	}
	path := req.URL.Path
	switch {
	case path == "/v2/":
	case path == "/v2/org/app/manifests/1", path == "/v2/org/app/manifests/"+r.digest:
		w.Header().Set("Content-Type", manifestType)
		w.Header().Set("Docker-Content-Digest", r.digest)
		w.Header().Set("Content-Length", fmt.Sprint(len(r.manifest)))
		_, _ = w.Write(r.manifest)
	case r.blobs[strings.TrimPrefix(path, "/v2/org/app/blobs/")] != nil:
		_, _ = w.Write(r.blobs[strings.TrimPrefix(path, "/v2/org/app/blobs/")])
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`))
	}
}

// TestRegistry: a pull needs the credentials that came with the service, what the registry says is the task's error, and
// newer credentials help the next task at once.
func TestRegistry(t *testing.T) {
	h := newHarness(t, startEngine(t))
	r := startRegistry(t, h.engine)
	e := h.docker(t)
	inContainerd := imagesInContainerd(t, h)
	auth := func(password string) string {
		b, _ := json.Marshal(map[string]string{"username": "me", "password": password, "serveraddress": r.address})
		return base64.URLEncoding.EncodeToString(b)
	}
	prepare := func(image, auth string) error {
		task := h.task(&swarm.ContainerSpec{Image: r.address + "/" + image})
		task.RegistryAuth = auth
		t.Cleanup(func() { _ = e.Remove(context.Background(), task.ID) })
		_, err := e.Prepare(t.Context(), task)
		return err
	}
	for _, c := range []struct {
		what, image, auth string
		want              string // part of what the registry says
		containerd        string // what an engine that keeps its images in containerd makes of it, where it has words of its own
	}{
		{"none", "org/app:1", "", "no basic auth credentials", ""},
		{"old ones", "org/app:1", auth("wrong"), "unauthorized: the password is another one now", "401 Unauthorized"},
		{"no such image", "org/nothing:1", auth("right"), "manifest unknown", "org/nothing:1: not found"},
		{"new ones", "org/app:1", auth("right"), "", ""},
		{"by digest", "org/app:1@" + r.digest, auth("right"), "", ""},
		{"old ones for what is there", "org/app:1", auth("wrong"), "", ""},
	} {
		err := prepare(c.image, c.auth)
		if c.containerd != "" && inContainerd {
			c.want = c.containerd
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.what, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), "No such image: "+r.address+"/"+c.image) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want the registry's %q", c.what, err, c.want)
		}
	}
}

// imagesInContainerd: engines since 29.0 keep images in containerd unless told otherwise, whose words for what a registry
// says are others.
func imagesInContainerd(t *testing.T, h *harness) bool {
	info, err := h.engine.Client().Info(t.Context(), client.InfoOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(info.Info.DriverStatus, [2]string{"driver-type", "io.containerd.snapshotter.v1"})
}
