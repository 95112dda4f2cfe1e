package migratecmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is a clock whose time passes as it is waited for.
type quick struct{ now time.Time }

func (q *quick) Now() time.Time { return q.now }

func (q *quick) After(d time.Duration) <-chan time.Time {
	q.now = q.now.Add(d)
	c := make(chan time.Time, 1)
	c <- q.now
	return c
}

func run(t *testing.T, ask func(string) ([]byte, error), args ...string) (string, error) {
	t.Helper()
	cmd := newCommand(&quick{time.Unix(2000, 0)}, ask)
	var out bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetIn(&bytes.Buffer{})
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(context.WithoutCancel(t.Context()))
	return out.String(), err
}

// shop is a swarm with one of each.
func shop(t *testing.T) *fake {
	t.Helper()
	f := newFake(t, "old")
	f.has.Networks = []network.Summary{{Network: network.Network{ID: "n", Name: "front", Driver: "overlay", Scope: "swarm"}}}
	f.has.Secrets = []swarm.Secret{{ID: "s", Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: "password"}}}}
	f.has.Configs = []swarm.Config{{ID: "c", Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "page"}, Data: []byte("hi")}}}
	f.has.Nodes = []swarm.Node{{ID: "o1", Description: swarm.NodeDescription{Hostname: "alpha"}, Spec: swarm.NodeSpec{Annotations: swarm.Annotations{Labels: map[string]string{"disk": "ssd"}}}}}
	var s swarm.ServiceSpec
	s.Name, s.Mode.Replicated = "web", &swarm.ReplicatedService{Replicas: new(uint64(1))}
	s.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "n"}}
	s.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "nginx:1",
		Secrets: []*swarm.SecretReference{{SecretID: "s", SecretName: "password", File: &swarm.SecretReferenceFileTarget{Name: "p"}}},
		Configs: []*swarm.ConfigReference{{ConfigID: "c", ConfigName: "page", File: &swarm.ConfigReferenceFileTarget{Name: "p"}}}}
	f.has.Services = []swarm.Service{{ID: "w", Spec: s}}
	return f
}

func cluster(t *testing.T) *fake {
	t.Helper()
	f := newFake(t, "new")
	f.has.Nodes = []swarm.Node{{ID: "h1", Description: swarm.NodeDescription{Hostname: "alpha"}, Spec: swarm.NodeSpec{Annotations: swarm.Annotations{Labels: map[string]string{"disk": "ssd"}}, Availability: swarm.NodeAvailabilityActive}}}
	return f
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// TestBrokenMidway: the same command goes on from there, and a third time there is nothing to do.
func TestBrokenMidway(t *testing.T) {
	from, to := shop(t), cluster(t)
	to.fail["POST /configs/create page"] = "the disk is full"
	args := []string{"--from", from.host, "--host", to.host, "--secret", "password=" + file(t, "x")}

	out, err := run(t, nil, args...)
	require.EqualError(t, err, "migrated in part: config page was not made: Error response from daemon: the disk is full; the same command goes on from here", out)
	require.Equal(t, []string{"POST /networks/create front", "POST /secrets/create password"}, to.wrote())

	out, err = run(t, nil, args...)
	require.NoError(t, err, out)
	require.Equal(t, []string{"POST /configs/create page", "POST /services/create web"}, to.wrote())
	require.Contains(t, out, "Migrated: 1 service, 1 network, 1 config, 1 secret, 1 node; all services that were made are there")
	refs := to.has.Services[0].Spec.TaskTemplate.ContainerSpec
	require.Equal(t, []string{"id-password", "id-page"}, []string{refs.Secrets[0].SecretID, refs.Configs[0].ConfigID})

	out, err = run(t, nil, args...)
	require.NoError(t, err, out)
	require.Contains(t, out, "Nothing to change: 5 of the swarm's objects are here")
	require.Empty(t, to.wrote())
	require.Empty(t, from.wrote(), "the swarm is only read")
}

// TestNothingIsHalfDone: what stands in the way is said before the first write.
func TestNothingIsHalfDone(t *testing.T) {
	from, to := shop(t), cluster(t)
	secret := "password=" + file(t, "x")
	for want, args := range map[string][]string{
		"secret password: no swarm tells what a secret is": {},
		`is not NAME=FILE`:                    {"--secret", "password"},
		"the swarm has no secret pasword":     {"--secret", "pasword=/dev/null"},
		"/dev/null is empty":                  {"--secret", "password=/dev/null"},
		"no such file":                        {"--secret", "password=/nowhere"},
		"the directory with secrets":          {"--secrets", "/nowhere"},
		"--without speed is not one of":       {"--without", "speed"},
		"--node x is not OLD=NEW":             {"--node", "x"},
		"a node that the swarm does not have": {"--node", "beta=alpha", "--secret", secret},
		"another one says what is in":         {"--node", "alpha=a", "--node", "alpha=b"},
		"neither --dry-run nor --update":      {"--write", "x", "--dry-run"},
		"--write keeps no secrets":            {"--write", filepath.Join(t.TempDir(), "x"), "--secret", secret},
		"there is no Docker context":          {"--from", "nobody"},
		"is a directory already":              {"--from", t.TempDir(), "--write", "x"},
		"no directory that skep migrate":      {"--from", t.TempDir()},
		"are the same cluster":                {"--from", to.host},
		`"ftp://x" is not unix://, tcp:// or`: {"--from", "ftp://x"},
		"an ssh:// address has no password":   {"--from", "ssh://a:b@c"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Setenv("DOCKER_CONFIG", t.TempDir())
			out, err := run(t, nil, append([]string{"--from", from.host, "--host", to.host}, args...)...)
			require.ErrorContains(t, err, want, out)
			require.Empty(t, to.wrote())
		})
	}
	_, err := run(t, nil)
	require.ErrorContains(t, err, "say by --from which swarm")

	to.refused = "port '80' is already in use"
	_, err = run(t, nil, "--from", from.host, "--host", to.host, "--secret", secret)
	require.EqualError(t, err, "nothing was changed: the cluster would refuse network front: port '80' is already in use")
	require.Empty(t, to.wrote())

	from.worker = true
	_, err = run(t, nil, "--from", from.host, "--host", to.host)
	require.ErrorContains(t, err, "is a worker, which is told nothing of its swarm: name a manager")
}

// TestSecretsAreAsked for by name, one after the other, and shown nowhere.
func TestSecretsAreAsked(t *testing.T) {
	from, to := shop(t), cluster(t)
	var asked []string
	ask := func(prompt string) ([]byte, error) {
		asked = append(asked, prompt)
		return []byte("hunter2"), nil
	}
	out, err := run(t, ask, "--from", from.host, "--host", to.host)
	require.NoError(t, err, out)
	require.Equal(t, []string{"Content of secret password (one line, not shown): "}, asked)
	require.Equal(t, "hunter2", to.data["id-password"])
	require.NotContains(t, out, "hunter2")

	// What is here is not asked for; one that is given is compared.
	_, err = run(t, func(string) ([]byte, error) { return nil, errors.New("asked again") }, "--from", from.host, "--host", to.host)
	require.NoError(t, err)
	_, err = run(t, nil, "--from", from.host, "--host", to.host, "--secret", "password="+file(t, "another"))
	require.ErrorContains(t, err, "secret password: it is here already with another content")
}

// TestDryRun shows what would be made, and what the cluster says of it.
func TestDryRun(t *testing.T) {
	from, to := shop(t), cluster(t)
	dir := filepath.Dir(file(t, "x"))
	out, err := run(t, nil, "--from", from.host, "--host", to.host, "--secrets", dir, "--dry-run")
	require.NoError(t, err)
	require.Empty(t, to.wrote())
	require.Equal(t, `Carried, and not the same here:
  network front: its subnet was the swarm's choice, and this cluster makes its own
Would be made (+) and changed (~):
  + network front: overlay
  + secret password
  + config page
  + service web: replicated 1, nginx:1
  service web: 1 of its tasks would wait: no suitable node
`, out)
}

// TestDirectory goes the way by files.
func TestDirectory(t *testing.T) {
	from, to := shop(t), cluster(t)
	dir := filepath.Join(t.TempDir(), "swarm")
	out, err := run(t, nil, "--from", from.host, "--write", dir)
	require.NoError(t, err)
	require.Contains(t, out, "Kept in "+dir+": 1 service, 1 network, 1 config, 1 secret, 1 node")
	require.Contains(t, out, "The content of secret password goes into "+dir+"/secrets/content/password")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secrets", "content", "password"), []byte("x"), 0o600))
	out, err = run(t, nil, "--from", dir, "--host", to.host, "--detach")
	require.NoError(t, err, out)
	require.Len(t, to.wrote(), 4)
}

// TestSSH: the command that leads to an engine, as the docker command has it.
func TestSSH(t *testing.T) {
	for host, want := range map[string][]string{
		"ssh://h":              {"-o", "ConnectTimeout=30", "--", "h", "docker", "system", "dial-stdio"},
		"ssh://ann@h:2222":     {"-l", "ann", "-p", "2222", "-o", "ConnectTimeout=30", "--", "h", "docker", "system", "dial-stdio"},
		"ssh://h/run/d.sock":   {"-o", "ConnectTimeout=30", "--", "h", "docker", "--host", "unix:///run/d.sock", "system", "dial-stdio"},
		"ssh://-oProxy=x@h":    nil,
		"ssh://":               nil,
		"ssh://h?x=y":          nil,
		"ssh://h/run/d'; ls;'": nil,
	} {
		got, err := sshArgs(host)
		require.Equal(t, want, got, host)
		require.Equal(t, want == nil, err != nil, host)
	}
}

// TestDialCommand: a program is a connection, until one of them ends.
func TestDialCommand(t *testing.T) {
	conn, err := dialCommand(io.Discard, "cat")
	require.NoError(t, err)
	_, err = conn.Write([]byte("ping"))
	require.NoError(t, err)
	got := make([]byte, 4)
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, "ping", string(got))
	require.NoError(t, conn.Close())

	conn, err = dialCommand(io.Discard, "false")
	require.NoError(t, err)
	_, err = conn.Read(got)
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, conn.Close())

	_, err = dialCommand(io.Discard, "no-such-program")
	require.ErrorContains(t, err, "no-such-program does not start")
}
