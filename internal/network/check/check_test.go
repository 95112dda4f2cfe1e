package check

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func idOf(name string) model.ID {
	sum := sha256.Sum256([]byte(name))
	return model.ID(sum[:16])
}

// TestJudge: nodes and what became of packets to them in, findings out.
func TestJudge(t *testing.T) {
	datadriven.RunTest(t, "testdata/judge.txt", func(t *testing.T, d *datadriven.TestData) string {
		mtu := 1450
		d.MaybeScanArgs(t, "mtu", &mtu)
		f, names := fabricOf(t, d.Input)
		paths := PathsOf(f, idOf("self"), mtu, sealedIn(f, d.Input))
		probes, left := Probes(f, idOf("self"), paths)
		fates := fatesIn(d.Input)
		var out strings.Builder
		results := decide(probes, fates)
		if d.Cmd == "probes" {
			for _, r := range results {
				fmt.Fprintf(&out, "%s %s %d to %s\n", names[r.Peer], r.Way, r.Size, r.To)
			}
		} else {
			results = append(results, decide(Further(results, paths), fates)...)
			found, untried := Judge(results, paths)
			for _, one := range found {
				fmt.Fprintf(&out, "%s\n  %s\n", one, names[one.Peer])
			}
			left = append(left, untried...)
		}
		for _, l := range left {
			fmt.Fprintf(&out, "not tried: %s: %s\n", names[l.Peer], l.Why)
		}
		return out.String()
	})
}

// sealedIn is what carries encrypted networks to the nodes that are said to have some; nil: there is none.
func sealedIn(f *network.Fabric, input string) *network.Encrypted {
	dev := &network.Device{MTU: 1440, Peers: map[network.Key]*network.Peer{}}
	e := &network.Encrypted{Devices: map[string]*network.Device{"dev": dev}, Routes: map[netip.Addr]string{}}
	for _, name := range nodesIn(input) {
		if n := f.Nodes[idOf(name)]; strings.Contains(input, name+" is sealed") {
			dev.Peers[network.Key(sha256.Sum256([]byte(name)))] = network.NewPeer(netip.AddrPortFrom(n.Underlay, 51831), []netip.Addr{n.Ingress.Addr()})
			e.Routes[n.Ingress.Addr()] = "dev"
		}
	}
	if len(e.Routes) == 0 {
		return nil
	}
	return e
}

// fabricOf reads a cluster: a line each with a node and what it lacks.
func fabricOf(t *testing.T, input string) (*network.Fabric, map[model.ID]string) {
	f, names := network.NewFabric(), map[model.ID]string{}
	f.Nodes = map[model.ID]network.Node{}
	for i, name := range append([]string{"self"}, slices.Sorted(slices.Values(nodesIn(input)))...) {
		n := network.Node{
			ID: idOf(name), Underlay: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}),
			Ingress: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 255, 0, byte(i + 1)}), 16),
		}
		n.Down = strings.Contains(input, name+" is down")
		if strings.Contains(input, name+" has no address") {
			n.Ingress = netip.Prefix{}
		}
		f.Nodes[n.ID], names[n.ID] = n, name
	}
	require.Greater(t, len(names), 1)
	return f, names
}

func nodesIn(input string) []string {
	var all []string
	for line := range strings.Lines(input) {
		if name := strings.Fields(line)[0]; name != "self" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// fate is a line "NODE WAY [SIZES] FATE": packets of those sizes, 0-1400 or all, meet it.
type fate struct {
	node, way string
	from, to  int
	fate      Fate
}

func fatesIn(input string) []fate {
	var all []fate
	for line := range strings.Lines(input) {
		words := strings.Fields(line)
		if len(words) < 3 || words[1] == "is" || words[1] == "has" {
			continue
		}
		f := fate{node: words[0], way: words[1], to: 1 << 16}
		if from, to, ok := strings.Cut(words[2], "-"); ok {
			f.from, _ = strconv.Atoi(from)
			f.to, _ = strconv.Atoi(to)
			words = words[1:]
		}
		f.fate = Fate(strings.Join(words[2:], " "))
		all = append(all, f)
	}
	return all
}

func decide(probes []Probe, fates []fate) []Result {
	var all []Result
	for _, p := range probes {
		r := Result{p, Answered}
		if p.Way == Knock {
			r.Fate = Lost
		}
		for _, f := range fates {
			if idOf(f.node) == p.Peer && Way(f.way) == p.Way && p.Size >= f.from && p.Size <= f.to {
				r.Fate = f.fate
			}
		}
		all = append(all, r)
	}
	return all
}

// loopback is a cluster on this host's loopback: self is 127.8.0.1, the others as they are given, with the same
// addresses for both ways.
func loopback(t *testing.T, others ...string) *Checker {
	t.Helper()
	if conn, err := net.ListenPacket("ip4:icmp", "127.8.0.1"); err != nil {
		t.Skipf("pings need a raw socket, which this user may not have: %v", err)
	} else {
		require.NoError(t, conn.Close())
	}
	return checkerAt("self", others...)
}

// checkerAt is self's checker, in a cluster of self and others.
func checkerAt(self string, others ...string) *Checker {
	f := network.NewFabric()
	f.Nodes = map[model.ID]network.Node{}
	for name, addr := range map[string]string{"self": "127.8.0.1", "n2": "127.8.0.2", "n3": "127.8.0.3", "n4": "127.8.0.4"} {
		if name != "self" && !slices.Contains(others, name) {
			continue
		}
		a := netip.MustParseAddr(addr)
		f.Nodes[idOf(name)] = network.Node{ID: idOf(name), Underlay: a, Ingress: netip.PrefixFrom(a, 16)}
	}
	f.Port = 1 // nothing on this host
	return New(Config{
		Self: idOf(self), Fabric: func() *network.Fabric { return f }, Env: env.Real(), Registry: prometheus.NewRegistry(),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), MTU: func() (int, error) { return 1450, nil },
	})
}

// run has a checker echo until the test ends.
func run(t *testing.T, c *Checker) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestReach(t *testing.T) {
	c := loopback(t, "n2", "n3")
	run(t, checkerAt("n2", "n2", "n3"))
	require.Eventually(t, func() bool { // until n2 echoes
		r, err := c.Reach(t.Context())
		require.NoError(t, err)
		require.Empty(t, r.Findings)
		require.Equal(t, 2, r.Probed)
		require.Contains(t, r.Left, Left{idOf("n3"), "skep there does not echo UDP packets just now: only pings were tried"})
		return len(r.Left) == 1
	}, 5*time.Second, 10*time.Millisecond)

	// n4 is no node to n2, and so gets no echo.
	stranger := checkerAt("n4", "n2", "n4")
	r, err := stranger.Reach(t.Context())
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	require.Contains(t, r.Findings[0].Wrong, "UDP packets do not")
	require.Equal(t, idOf("n2"), r.Findings[0].Peer)
}

func TestReachEnds(t *testing.T) {
	c := loopback(t, "n2")
	silent, err := net.ListenPacket("udp4", netip.AddrPortFrom(netip.MustParseAddr("127.8.0.2"), Port).String())
	require.NoError(t, err)
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Reach(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestReachWithoutAnAddress(t *testing.T) {
	f := network.NewFabric()
	f.Nodes = map[model.ID]network.Node{idOf("self"): {ID: idOf("self")}, idOf("n2"): {ID: idOf("n2")}}
	c := New(Config{Self: idOf("self"), Fabric: func() *network.Fabric { return f }, Env: env.Real()})
	r, err := c.Reach(t.Context())
	require.NoError(t, err)
	require.Zero(t, r.Probed)
	require.Len(t, r.Left, 1)
}

func TestChecksum(t *testing.T) {
	p := Probe{Way: Direct, Size: 101}
	b := p.packet(12345)
	require.Len(t, b, 81)
	require.Zero(t, checksum(b), "a sum over the sum is nothing")
	b[50]++
	require.NotZero(t, checksum(b))
	reply := p.packet(12345)
	reply[0], reply[2], reply[3] = echoReply, 0, 0
	require.True(t, p.answeredBy(reply, 12345))
	require.False(t, p.answeredBy(reply, 12346))
	require.False(t, p.answeredBy(reply[:80], 12345))
	require.False(t, p.answeredBy(p.packet(12345), 12345), "the question itself is no answer")
}
