package socketmount

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/moby/moby/api/types/mount"
)

const skep = "/run/skep/skep.sock"

func TestBind(t *testing.T) {
	r := Rewriter{Socket: skep}
	for _, tc := range []struct{ in, want string }{
		{"/var/run/docker.sock:/var/run/docker.sock", skep + ":/var/run/docker.sock"},
		{"/run/docker.sock:/x.sock:ro", skep + ":/x.sock:ro"},
		{"/var/run/../run//docker.sock:/x", skep + ":/x"},
		{"docker.sock:/var/run/docker.sock", "docker.sock:/var/run/docker.sock"},
		{"/var/run/docker.sock", "/var/run/docker.sock"},
		{"/srv/data:/var/run/docker.sock", "/srv/data:/var/run/docker.sock"},
		{"", ""},
	} {
		if got := r.Bind(tc.in); got != tc.want {
			t.Errorf("Bind(%q) = %q, want %q", tc.in, got, tc.want)
		}
		if got := (Rewriter{}).Bind(tc.in); got != tc.in {
			t.Errorf("the zero Rewriter changed %q to %q", tc.in, got)
		}
	}
}

func TestMount(t *testing.T) {
	r := Rewriter{Socket: skep}
	bind := mount.Mount{Type: mount.TypeBind, Source: "/var/run/docker.sock", Target: "/s", ReadOnly: true}
	want := bind
	want.Source = skep
	if got := r.Mount(bind); got != want {
		t.Errorf("bind: %+v", got)
	}
	volume := mount.Mount{Type: mount.TypeVolume, Source: "/var/run/docker.sock"}
	if got := r.Mount(volume); got != volume {
		t.Errorf("a volume changed: %+v", got)
	}
}

func TestCreateBody(t *testing.T) {
	r := Rewriter{Socket: skep}
	for _, tc := range []struct{ name, in, want string }{
		{"binds", `{"Image":"x","HostConfig":{"Binds":["/var/run/docker.sock:/s","a:/b"],"Memory":9007199254740993}}`,
			`{"Image":"x","HostConfig":{"Binds":["/run/skep/skep.sock:/s","a:/b"],"Memory":9007199254740993}}`},
		{"mounts", `{"HostConfig":{"Mounts":[{"Type":"bind","Source":"/run/docker.sock","Target":"/t","New":1},{"Type":"volume","Source":"v"}]}}`,
			`{"HostConfig":{"Mounts":[{"Type":"bind","Source":"/run/skep/skep.sock","Target":"/t","New":1},{"Type":"volume","Source":"v"}]}}`},
		{"any case", `{"hostconfig":{"binds":["/run/docker.sock:/s"]}}`, `{"hostconfig":{"binds":["/run/skep/skep.sock:/s"]}}`},
		{"nothing to do", ` {"HostConfig":{"Binds":null}} `, ` {"HostConfig":{"Binds":null}} `},
		{"not an object", `[1]`, `[1]`},
		{"wrong types", `{"HostConfig":{"Binds":"x","Mounts":[7]}}`, `{"HostConfig":{"Binds":"x","Mounts":[7]}}`},
		{"malformed", `{bad`, `{bad`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := string(r.CreateBody([]byte(tc.in)))
			if got == tc.want {
				return
			}
			var g, w any
			if json.Unmarshal([]byte(got), &g) != nil || json.Unmarshal([]byte(tc.want), &w) != nil || !reflect.DeepEqual(g, w) {
				t.Errorf("got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func FuzzCreateBody(f *testing.F) {
	f.Add([]byte(`{"HostConfig":{"Binds":["/var/run/docker.sock:/s"],"Mounts":[{"Type":"bind","Source":"/run/docker.sock"}]}}`))
	f.Add([]byte(`{"HostConfig":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		out := Rewriter{Socket: skep}.CreateBody(body)
		if json.Valid(body) != json.Valid(out) {
			t.Fatalf("%q became %q", body, out)
		}
	})
}
