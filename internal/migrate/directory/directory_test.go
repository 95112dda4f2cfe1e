package directory

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skep-org/skep/internal/migrate"
)

// TestWrittenIsRead: whatever words stand in objects, and whatever bytes are in configs.
func TestWrittenIsRead(t *testing.T) {
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"true", "no", "012", "1e3", "2020-01-01", "null", "~", " a", "a\n", "a: b", "*x", "&x", "\u2028", "\ufeff", "{{.Node.ID}}"}))
		want := &migrate.Wanted{
			Settings: migrate.Settings{NodeCertExpiry: time.Duration(rapid.Int64().Draw(t, "expiry")), Labels: rapid.MapOfN(word, word, 0, 2).Draw(t, "labels")},
			Nodes:    []migrate.Node{{Hostname: word.Draw(t, "host"), Availability: swarm.NodeAvailabilityDrain}},
			Networks: []network.CreateRequest{{Name: "front", Driver: "overlay", Options: map[string]string{"x": word.Draw(t, "option")}}},
			Configs:  []swarm.ConfigSpec{{Annotations: swarm.Annotations{Name: "page.yaml"}, Data: rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "data")}},
			Secrets:  []swarm.SecretSpec{{Annotations: swarm.Annotations{Name: "key"}}},
		}
		var s swarm.ServiceSpec
		s.Name, s.TaskTemplate.ContainerSpec = "web", &swarm.ContainerSpec{Image: word.Draw(t, "image"), Env: rapid.SliceOfN(word, 0, 3).Draw(t, "env")}
		s.UpdateConfig = &swarm.UpdateConfig{Delay: time.Duration(rapid.Int64().Draw(t, "delay")), MaxFailureRatio: rapid.Float32Range(0, 1).Draw(t, "ratio")}
		want.Services = []swarm.ServiceSpec{s}

		n++
		dir := filepath.Join(base, string(rune('a'+n%26))+time.Duration(n).String())
		require.NoError(t, Write(dir, want, "what was said\n"))
		got, err := Read(dir)
		require.NoError(t, err)
		require.Equal(t, inJSON(t, want), inJSON(t, got))
		require.NoError(t, os.RemoveAll(dir))
	})
}

func inJSON(t require.TestingT, v any) string {
	raw, err := json.MarshalIndent(v, "", " ")
	require.NoError(t, err)
	return string(raw)
}

func written(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "swarm")
	want := &migrate.Wanted{
		Configs: []swarm.ConfigSpec{{Annotations: swarm.Annotations{Name: "page"}, Data: []byte("hi\n")}},
		Secrets: []swarm.SecretSpec{{Annotations: swarm.Annotations{Name: "key"}, Data: []byte("hidden")}},
	}
	s := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web", Labels: map[string]string{"version": "012"}}}
	s.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "nginx:1"}
	s.Mode.Replicated = &swarm.ReplicatedService{Replicas: new(uint64(2))}
	want.Services = []swarm.ServiceSpec{s}
	require.NoError(t, Write(dir, want, ""))
	return dir
}

// TestFiles: people read them; and the content of a secret is in none.
func TestFiles(t *testing.T) {
	dir := written(t)
	text, err := os.ReadFile(filepath.Join(dir, "services", "web.yaml"))
	require.NoError(t, err)
	require.Equal(t, `Name: web
Labels:
  version: "012"
TaskTemplate:
  ContainerSpec:
    Image: nginx:1
  ForceUpdate: 0
Mode:
  Replicated:
    Replicas: 2
`, string(text))
	require.NoError(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NotContains(t, string(text), "hidden")
			require.NotContains(t, string(text), "aGlkZGVu")
			require.Zero(t, info.Mode().Perm()&0o077, "%s is for others to read", path)
		}
		return err
	}))

	// A secret's content is what is put there.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secrets", "content", "key"), []byte("given"), 0o600))
	got, err := Read(dir)
	require.NoError(t, err)
	require.Equal(t, "given", string(got.Secrets[0].Data))
}

// TestMistakes: each says which file it is about.
func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"unknown key":       {"services/web.yaml", "Name: web\nTaskTemplate: {ContainerSpec: {Imag: x}}\n", `unknown field "Imag"`},
		"a number":          {"services/web.yaml", "Name: web\nLabels: {version: 1}\n", "cannot unmarshal number"},
		"no YAML":           {"services/web.yaml", "Name: [", "did not find expected"},
		"empty":             {"services/web.yaml", "", "it is empty"},
		"twice":             {"services/other.yaml", "Name: web\n", `are both for "web"`},
		"a key twice":       {"services/web.yaml", "Name: web\nName: x\n", "Name is there twice"},
		"an alias":          {"services/web.yaml", "Name: &n web\nLabels: {a: *n}\n", "write it out"},
		"no content":        {"configs/more.yaml", "Name: more\n", "content/more"},
		"settings of whom?": {"swarm.yaml", "Settings: {Nothing: 1}\n", `unknown field "Nothing"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := written(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600))
			_, err := Read(dir)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, filepath.Dir(c.file))
		})
	}
	_, err := Read(t.TempDir())
	require.ErrorContains(t, err, "no directory that skep migrate --write made")
}

// TestWholeOrNot: what cannot be written leaves nothing, and what is there stays.
func TestWholeOrNot(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "swarm")
	bad := &migrate.Wanted{Networks: []network.CreateRequest{{Name: "fine"}, {Name: "../up"}}}
	require.ErrorContains(t, Write(dir, bad, ""), `"../up" is no name for a file`)
	left, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Empty(t, left)

	require.NoError(t, os.Mkdir(dir, 0o755)) // an empty one may be there
	require.NoError(t, Write(dir, &migrate.Wanted{}, ""))
	require.ErrorContains(t, Write(dir, &migrate.Wanted{}, ""), "not empty")
}
