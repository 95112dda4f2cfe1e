package examine

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/api"
	"github.com/skep-org/skep/internal/network/check"
	"github.com/skep-org/skep/internal/provision/doctor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve is an API that says just this of itself.
func serve(t *testing.T, info string) (address string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "skep") //nolint:usetesting // a socket's path must be short
	require.NoError(t, err)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	s := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		answer := "{}"
		switch filepath.Base(r.URL.Path) {
		case "info":
			answer = info
		case "version":
			answer = `{"Version":"20.10.24","Components":[{"Name":"skep","Version":"1.2"}]}`
		}
		_, _ = w.Write([]byte(answer))
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done; _ = os.RemoveAll(dir) })
	return "unix://" + filepath.Join(dir, "s")
}

// TestExamine: a host with an engine and a daemon, which knows of a manager that is not there.
func TestExamine(t *testing.T) {
	engine := serve(t, `{"ServerVersion":"20.10.24","DockerRootDir":"/","Swarm":{"LocalNodeState":"inactive"}}`)
	daemon := serve(t, `{"Swarm":{"NodeID":"a","LocalNodeState":"active","ControlAvailable":true,"RemoteManagers":[{"NodeID":"a","Addr":"192.0.2.1:2377"},{"NodeID":"b","Addr":"127.0.0.1:1"}]}}`)
	asked := false
	f := Examine(t.Context(), Options{Engine: engine, Daemon: daemon, NetCheck: func(_ context.Context, all bool) (api.NetCheck, error) {
		asked = all
		return api.NetCheck{}, errors.New("too busy")
	}})
	require.True(t, asked, "a manager asks for all nodes")
	require.Equal(t, "too busy", f.NetErr)
	require.Equal(t, doctor.Engine{Installed: true, Address: engine, Version: "20.10.24", Swarm: "inactive", RootDir: "/"}, f.Engine)
	require.Equal(t, doctor.Daemon{Installed: true, Address: daemon, Version: "1.2", State: "active", Manager: true}, f.Daemon)
	require.Len(t, f.Managers, 1, "its own address is not tried")
	require.Equal(t, doctor.Reach{Addr: "127.0.0.1:1", Err: "connection refused"}, f.Managers[0])
	require.NotEmpty(t, f.Disks)
	require.NotEmpty(t, f.Kernel)
	if f.Root {
		require.Len(t, f.Features, 5)
		for _, feature := range f.Features {
			require.Empty(t, feature.Err, feature.Name)
		}
	}
}

// TestExamineBare: a host with nothing, where a port is taken.
func TestExamineBare(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:2377")
	if err == nil {
		defer l.Close()
	}
	f := Examine(t.Context(), Options{Engine: "unix:///nowhere", Daemon: "unix:///nowhere"})
	require.Contains(t, f.Engine.Err, "no such file")
	require.Contains(t, f.Daemon.Err, "no such file")
	require.Len(t, f.Ports, 2)
	require.Equal(t, "address already in use", f.Ports[0].Err)
}

// TestSkew: a clock is off by as much as cannot be the time that the check took.
func TestSkew(t *testing.T) {
	began := time.Unix(1000, 0)
	ended := began.Add(2 * time.Second)
	for at, want := range map[int64]time.Duration{1001: 0, 1000: 0, 1002: 0, 990: -10 * time.Second, 1012: 10 * time.Second} {
		got := nodesOf(api.NetCheck{Nodes: []api.NodeCheck{{ID: "x", Report: &check.Report{At: time.Unix(at, 0)}}}}, began, ended)
		require.Equal(t, want, got[0].Skew, "at %d", at)
	}
	require.Zero(t, nodesOf(api.NetCheck{Nodes: []api.NodeCheck{{ID: "x", Report: &check.Report{}}}}, began, ended)[0].Skew, "an older daemon does not tell")
}
