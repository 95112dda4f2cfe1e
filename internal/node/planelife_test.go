package node

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/kernel"
	"github.com/skep-org/skep/internal/wire"
	"github.com/stretchr/testify/require"
)

// host is a network namespace of its own, without an engine.
func host(t *testing.T) (path string, pid int) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces are root's")
	}
	c := exec.Command("unshare", "--net", "sh", "-c", "echo; exec sleep 600")
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	_, err = out.Read(make([]byte, 1)) // it is there
	require.NoError(t, err)
	return "/proc/" + strconv.Itoa(c.Process.Pid) + "/ns/net", c.Process.Pid
}

// hosted are the overlays of a daemon on such a host.
func hosted(t *testing.T) (*overlays, func(args ...string) string) {
	t.Helper()
	path, pid := host(t)
	dir := t.TempDir()
	cfg := Config{DataDir: filepath.Join(dir, "data"), Engine: "unix://" + filepath.Join(dir, "no-engine.sock"), PluginDir: filepath.Join(dir, "plugins")}
	o := openOverlays(cfg, env.Real(), silent)
	o.kernel = kernel.Options{Log: silent, Dir: filepath.Join(dir, "netns"), Host: path}
	o.places, o.reopen = filepath.Join(dir, "places"), 10*time.Millisecond
	t.Cleanup(func() { require.NoError(t, o.close()) })
	return o, func(args ...string) string {
		out, err := exec.Command("nsenter", append([]string{"--net=/proc/" + strconv.Itoa(pid) + "/ns/net"}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
}

// leaveBehind makes what a data plane makes that is ended without a word.
func leaveBehind(t *testing.T, o *overlays) {
	t.Helper()
	k, err := kernel.New(o.kernel)
	require.NoError(t, err)
	self, net := model.NumID(7), model.NumID(3)
	f := network.NewFabric()
	f.Nodes = map[model.ID]network.Node{self: {ID: self, Underlay: netip.MustParseAddr("127.0.0.1"), Ingress: netip.MustParsePrefix("10.255.0.2/16")}}
	f.Networks = map[model.ID]*network.Network{net: {
		ID: net, Name: "ingress", VNI: 4097, Subnet: netip.MustParsePrefix("10.255.0.0/16"), Gateway: netip.MustParseAddr("10.255.0.1"), Ingress: true,
	}}
	require.NoError(t, k.Sync(t.Context(), network.Plan(f, self, nil, network.Settings{})))
	require.NoError(t, k.Close())
	require.NoError(t, volatileDisk(filepath.Join(o.places, self.String())).Save([]byte("{}")))
}

func TestIdleHostIsFreeOfNetworks(t *testing.T) {
	o, run := hosted(t)
	leaveBehind(t, o)
	require.Contains(t, run("nft", "list", "tables"), "skep")
	require.Contains(t, run("ip", "link"), network.IngressLink)

	o.idle(t.Context())
	require.NotContains(t, run("nft", "list", "tables"), "table ip skep")
	require.NotContains(t, run("ip", "link"), network.IngressLink)
	for _, dir := range []string{o.kernel.Dir, o.places} {
		_, err := os.Stat(dir)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	o.idle(t.Context())
	_, err := os.Stat(o.kernel.Dir)
	require.ErrorIs(t, err, fs.ErrNotExist, "a host that never had networks is left alone")
}

// TestLeaveWithoutPlane: the data plane that made it all runs no more when the node leaves.
func TestLeaveWithoutPlane(t *testing.T) {
	o, run := hosted(t)
	leaveBehind(t, o)
	require.NoError(t, o.end(t.Context(), false))
	require.Contains(t, run("ip", "link"), network.IngressLink)
	require.NoError(t, o.end(t.Context(), true))
	require.NotContains(t, run("ip", "link"), network.IngressLink)
}

// TestLeaveAgain: the engine was away when the node left. That is said, and leaving again goes on.
func TestLeaveAgain(t *testing.T) {
	o, run := hosted(t)
	leaveBehind(t, o)
	c := &cluster{cfg: o.cfg, env: o.env, logger: silent, overlays: o}
	require.NoError(t, os.MkdirAll(filepath.Join(o.cfg.DataDir, swarmDir), 0o700))
	require.Error(t, c.forget(t.Context(), model.NumID(7)))
	st := c.State()
	require.Equal(t, swarm.LocalNodeStateError, st.Local)
	require.Contains(t, st.Err, "leave again")
	require.Error(t, c.Leave(t.Context(), true), "the engine is away still")
	require.Equal(t, swarm.LocalNodeStateError, c.State().Local)

	c.remnant = nil // what the daemon does not know of
	require.NoError(t, c.Leave(t.Context(), true))
	require.NotContains(t, run("ip", "link"), network.IngressLink)
	require.Equal(t, swarm.LocalNodeStateInactive, c.State().Local)
}

// said is an agent that notes what the data plane has it say.
type said struct{ applied, refused chan uint64 }

func (s said) FabricApplied(_, seq uint64)    { s.applied <- seq }
func (s said) FabricRefused(nonce uint64)     { s.refused <- nonce }
func (s said) SetGuests(*wire.Guests)         {}
func (s said) SetEncryption(*wire.Encryption) {}

// TestOverlaysLater: what was in the way of the data plane is away; the session that it knows nothing of is begun anew.
func TestOverlaysLater(t *testing.T) {
	o, _ := hosted(t)
	require.NoError(t, os.WriteFile(o.kernel.Dir, nil, 0o600)) // in the way of the directory
	require.NoError(t, os.MkdirAll(filepath.Join(o.cfg.DataDir, swarmDir), 0o700))
	u := said{make(chan uint64, 10), make(chan uint64, 10)}
	o.begin(membership{Node: model.NumID(7), AdvertiseAddr: firstAddr})
	o.connect(u)
	require.ErrorContains(t, o.Usable(), "overlay networks")
	o.take(&wire.Fabric{Nonce: 5, Seq: 3, Full: true})
	require.EqualValues(t, 3, <-u.applied)

	require.NoError(t, os.Remove(o.kernel.Dir))
	require.EqualValues(t, 5, <-u.refused)
	require.NotNil(t, o.now())
	require.NoError(t, o.end(context.Background(), true))
	require.Nil(t, o.now())
	if _, err := os.Stat(o.kernel.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory of networks: %v", err)
	}
}
