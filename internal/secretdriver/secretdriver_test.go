package secretdriver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/manager/dispatcher"
	"github.com/skep-org/skep/internal/model"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vault is a plugin that keeps secrets.
type vault struct {
	implements string
	answer     response
	status     int
	asked      []string
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.URL.Path == "/Plugin.Activate" {
		_ = json.NewEncoder(w).Encode(map[string]any{"Implements": []string{v.implements}})
		return
	}
	v.asked = append(v.asked, r.Method+" "+r.URL.Path+" "+strings.TrimSpace(string(body)))
	if v.status != 0 {
		w.WriteHeader(v.status)
	}
	_ = json.NewEncoder(w).Encode(v.answer)
}

// listen serves a plugin at a socket.
func (v *vault) listen(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: v}}
	s.Start()
	t.Cleanup(s.Close)
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sk") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func ask(driver string) dispatcher.SecretAsk {
	spec := &swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web", Labels: map[string]string{"tier": "front"}}}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "web:1", Hostname: "h"}
	spec.EndpointSpec = &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR, Ports: []swarm.PortConfig{{Protocol: "udp", TargetPort: 53, PublishedPort: 5353, PublishMode: swarm.PortConfigPublishModeHost}}}
	return dispatcher.SecretAsk{
		Driver: &swarm.Driver{Name: driver}, Secret: model.NumID(1), Task: model.NumID(2), NodeID: model.NumID(3), ServiceID: model.NumID(4),
		Slot: 7, Name: "key", Labels: map[string]string{"path": "a/b"}, Service: spec,
	}
}

func get(t *testing.T, d Drivers, a dispatcher.SecretAsk) dispatcher.SecretAnswer {
	t.Helper()
	got := make(chan dispatcher.SecretAnswer)
	d.Get(t.Context(), a, func(a dispatcher.SecretAnswer) { got <- a })
	return <-got
}

// TestOlderPlugin: one that listens on a socket of its name is told all that swarm mode tells it, and its answer comes back.
func TestOlderPlugin(t *testing.T) {
	d := Drivers{Dir: shortDir(t)}
	v := &vault{implements: capability, answer: response{Value: []byte("hush"), DoNotReuse: true}}
	v.listen(t, filepath.Join(d.Dir, "vault.sock"))
	if a := get(t, d, ask("vault")); a.Err != nil || string(a.Value) != "hush" || !a.DoNotReuse {
		t.Errorf("got %+v", a)
	}
	want := `POST /SecretProvider.GetSecret {"SecretName":"key","SecretLabels":{"path":"a/b"},"ServiceHostname":"h","ServiceName":"web",` +
		`"ServiceID":"` + model.NumID(4).String() + `","ServiceLabels":{"tier":"front"},"TaskID":"` + model.NumID(2).String() + `","TaskName":"web.7.` + model.NumID(2).String() + `",` +
		`"TaskImage":"web:1","ServiceEndpointSpec":{"Mode":1,"Ports":[{"Protocol":1,"TargetPort":53,"PublishedPort":5353,"PublishMode":1}]}}`
	if len(v.asked) != 1 || v.asked[0] != want {
		t.Errorf("the plugin was asked\n%s\nwant\n%s", v.asked, want)
	}
	v.answer = response{Err: "sealed"}
	if a := get(t, d, ask("vault")); a.Err == nil || a.Err.Error() != "sealed" {
		t.Errorf("of a sealed vault: %v", a.Err)
	}
	v.status = http.StatusInternalServerError
	if a := get(t, d, ask("vault")); a.Err == nil || !strings.Contains(a.Err.Error(), "500") || !strings.Contains(a.Err.Error(), "sealed") {
		t.Errorf("of a broken vault: %v", a.Err)
	}
}

// TestNotThere: a plugin that is not there, or keeps no secrets, is not found, in Docker's words.
func TestNotThere(t *testing.T) {
	d := Drivers{Dir: shortDir(t), Specs: []string{t.TempDir()}}
	(&vault{implements: "VolumeDriver"}).listen(t, filepath.Join(d.Dir, "volumes.sock"))
	for _, name := range []string{"nosuch", "volumes", "../vault", "."} {
		err := d.Find(t.Context(), name)
		if !errors.Is(err, ErrNotFound) || err.Error() != `plugin "`+name+`" not found` {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSpecFile: a plugin may listen where a file says.
func TestSpecFile(t *testing.T) {
	d := Drivers{Dir: shortDir(t), Specs: []string{t.TempDir()}}
	v := &vault{implements: capability, answer: response{Value: []byte("x")}}
	s := httptest.NewServer(v)
	defer s.Close()
	for name, text := range map[string]string{"a.spec": strings.Replace(s.URL, "http", "tcp", 1) + "\n", "b.json": `{"Addr":"` + s.URL + `"}`} {
		if err := os.WriteFile(filepath.Join(d.Specs[0], name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if a := get(t, d, ask(name[:1])); a.Err != nil || string(a.Value) != "x" {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

type engine func(*http.Request) (int, string)

func (e engine) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := e(r)
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// TestManagedPlugin: one that the engine runs is asked at the socket the engine made for it, if it is enabled.
func TestManagedPlugin(t *testing.T) {
	enabled := "true"
	d := Drivers{Dir: shortDir(t), Engine: engine(func(r *http.Request) (int, string) {
		if r.URL.Path != "/plugins/org/vault:1/json" {
			return http.StatusNotFound, `{"message":"no"}`
		}
		return http.StatusOK, `{"Id":"abc","Enabled":` + enabled + `,"Config":{"Interface":{"Types":["docker.secretprovider/1.0"],"Socket":"v.sock"}}}`
	})}
	v := &vault{answer: response{Value: []byte("x")}}
	v.listen(t, filepath.Join(d.Dir, "abc", "v.sock"))
	if a := get(t, d, ask("org/vault:1")); a.Err != nil || string(a.Value) != "x" {
		t.Errorf("%+v", a)
	}
	enabled = "false"
	if err := d.Find(context.Background(), "org/vault:1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a disabled one: %v", err)
	}
}
