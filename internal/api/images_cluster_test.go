package api

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/api/httperr"
)

// withRegistry is a cluster whose nodes serve a registry.
type withRegistry struct {
	*fakeCluster
	addr string
}

func (c withRegistry) RegistryAddr() string { return c.addr }

func (c withRegistry) RegistryAuth(image string) string {
	if c.addr != "" && strings.HasPrefix(image, c.addr+"/") {
		return "ours"
	}
	return ""
}

func (c withRegistry) BuildAuth(header string) (string, error) { return header + "+ours", nil }

func (c withRegistry) ListImages(context.Context) ([]Image, error) {
	return []Image{{Repository: "app", Tag: "1", Digest: "sha256:00", Size: 3, Copies: 2, Pushed: time.Unix(0, 0).UTC()}}, nil
}

func (c withRegistry) RemoveImage(_ context.Context, name string) error {
	if name != "team/app:1" {
		return httperr.NotFound("the cluster's registry has no image %s", name)
	}
	return nil
}

func (c withRegistry) CollectImages(_ context.Context, grace time.Duration) (Collected, error) {
	return Collected{Blobs: int(grace.Hours()), Bytes: 7}, nil
}

// TestRegistryCredential: it goes with what concerns the cluster's registry, in the place of what the client sent, and with nothing
// else.
func TestRegistryCredential(t *testing.T) {
	const addr = "127.0.0.1:5005"
	for _, c := range []struct{ addr, request, want string }{
		{addr, "POST /v1.41/images/create?fromImage=127.0.0.1:5005/team/app&tag=1", "ours"},
		{addr, "POST /images/create?fromImage=127.0.0.1:5005%2Fapp%3A1 X-Registry-Auth=theirs", "ours"},
		{addr, "POST /images/create?fromImage=example.org/app X-Registry-Auth=theirs", "theirs"},
		{addr, "POST /v1.41/images/127.0.0.1:5005/team/app/push?tag=1 X-Registry-Auth=theirs", "ours"},
		{addr, "POST /images/127.0.0.1:5005%2Fteam%2Fapp/push", "ours"},
		{addr, "POST /images/example.org/app/push X-Registry-Auth=theirs", "theirs"},
		{addr, "GET /distribution/127.0.0.1:5005/app:1/json", "ours"},
		{addr, "GET /distribution/app:1/json", ""},
		{addr, "POST /build X-Registry-Config=theirs", "theirs+ours"},
		{"", "POST /images/127.0.0.1:5005/team/app/push X-Registry-Auth=theirs", "theirs"},
		{"", "POST /build X-Registry-Config=theirs", "theirs"},
	} {
		w := newWorld(t)
		w.server.Cluster = withRegistry{w.cluster, c.addr}
		w.request(c.request)
		if !slices.Equal(w.auths, []string{c.want}) {
			t.Errorf("%s reached the engine with %q, want %q", c.request, w.auths, c.want)
		}
	}
}

// TestImages: what the cluster's registry has, and what is done to it.
func TestImages(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ addr, request, want string }{
		{"127.0.0.1:5005", "GET /skep/images", `200 {"Registry":"127.0.0.1:5005","Images":[{"Repository":"app","Tag":"1","Digest":"sha256:00","Size":3,"Copies":2,"Pushed":"1970-01-01T00:00:00Z"}]}`},
		{"127.0.0.1:5005", "GET /skep/registry", `200 {"Registry":"127.0.0.1:5005"}`},
		{"127.0.0.1:5005", "POST /skep/images/remove?name=team/app:1", "200"},
		{"127.0.0.1:5005", "POST /skep/images/remove?name=other", `404 {"message":"the cluster's registry has no image other"}`},
		{"127.0.0.1:5005", "POST /skep/images/collect?grace=5h", `200 {"Blobs":5,"Bytes":7}`},
		{"127.0.0.1:5005", "POST /skep/images/collect?grace=soon", "400"},
		{"127.0.0.1:5005", "POST /skep/images/collect?grace=-1s", "400"},
		{"", "GET /skep/registry", "503"},
		{"", "GET /skep/images", "503"},
		{"", "POST /skep/images/remove?name=app", "503"},
		{"", "POST /skep/images/collect?grace=1h", "503"},
	} {
		w.server.Cluster = withRegistry{w.cluster, c.addr}
		if said := w.request(c.request); !strings.HasPrefix(said, c.want) {
			t.Errorf("%s: %s", c.request, said)
		}
	}
}
