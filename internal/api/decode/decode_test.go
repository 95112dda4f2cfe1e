package decode

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/api/httperr"
)

func TestWords(t *testing.T) {
	for _, tc := range []struct{ body, want string }{
		{``, "got EOF while reading request body"},
		{`{bad`, "invalid character 'b' looking for beginning of object key string"},
		{`{"Name":7}`, "json: cannot unmarshal number into Go struct field ServiceSpec.Name of type string"},
	} {
		var spec swarm.ServiceSpec
		err := JSON([]byte(tc.body), &spec)
		if httperr.Status(err) != 400 || err.Error() != tc.want {
			t.Errorf("%q: %v, want %s", tc.body, err, tc.want)
		}
	}
	var spec swarm.ServiceSpec
	if err := JSON([]byte(`{"Name":"a","New":1} trailing`), &spec); err != nil || spec.Name != "a" {
		t.Errorf("an unknown field or trailing bytes: %v", err)
	}
}

func TestLimit(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", Limit+1)))
	if _, err := Body(r); httperr.Status(err) != 413 {
		t.Errorf("%v", err)
	}
}

func TestOverlay(t *testing.T) {
	raw := []byte(`{"name":"web","New":{"a":9007199254740993},"TaskTemplate":{"ContainerSpec":{"Image":"x","NewField":true,` +
		`"Mounts":[{"Type":"bind","Fresh":1}]}}}`)
	var spec swarm.ServiceSpec
	if err := JSON(raw, &spec); err != nil {
		t.Fatal(err)
	}
	spec.Name = "changed"
	spec.TaskTemplate.ContainerSpec.Image = "y"
	out, err := Overlay(raw, spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Name":"changed"`, `"Image":"y"`, `"New":{"a":9007199254740993}`, `"NewField":true`, `"Fresh":1`} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
	if bytes.Contains(out, []byte(`"name"`)) {
		t.Errorf("the sent spelling survived: %s", out)
	}
}

// fuzzInto decodes into T and puts the result back over what was sent: the second reading must be equal.
func fuzzInto[T any](f *testing.F, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var v T
		first, err := First(raw)
		if err != nil || JSON(first, &v) != nil {
			return
		}
		out, err := Overlay(first, v)
		if err != nil {
			t.Fatalf("%q cannot be written back: %v", raw, err)
		}
		var again T
		if err := JSON(out, &again); err != nil {
			t.Fatalf("%q became %q, which is not read: %v", raw, out, err)
		}
		want, _ := json.Marshal(v)
		got, _ := json.Marshal(again)
		if !bytes.Equal(want, got) {
			t.Fatalf("%q became %q: %s, was %s", raw, out, got, want)
		}
	})
}

func FuzzServiceSpec(f *testing.F) {
	fuzzInto[swarm.ServiceSpec](f, `{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a","DNSConfig":{"Nameservers":["10.0.0.2",""]}}}}`, `{"Mode":{"Replicated":{"Replicas":-1}}}`)
}

func FuzzInitRequest(f *testing.F) {
	fuzzInto[swarm.InitRequest](f, `{"ListenAddr":"0.0.0.0:2377","DefaultAddrPool":["10.0.0.2"],"SubnetSize":24}`, `{"DefaultAddrPool":["10.0.0.0/8"]}`)
}

func FuzzSecretSpec(f *testing.F) { fuzzInto[swarm.SecretSpec](f, `{"Name":"s","Data":"YQ=="}`) }

func FuzzConfigSpec(f *testing.F) { fuzzInto[swarm.ConfigSpec](f, `{"Name":"s","Data":"!!"}`) }

func FuzzNetworkCreate(f *testing.F) {
	fuzzInto[network.CreateRequest](f, `{"Name":"n","IPAM":{"Config":[{"Subnet":"10.0.0.2","Gateway":""}]}}`)
}
