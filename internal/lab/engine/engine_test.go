package engine_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/lab/engine"
	"github.com/skep-org/skep/internal/lab/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTwoEnginesAtOnce is the common case: tests in parallel, each with a private engine.
func TestTwoEnginesAtOnce(t *testing.T) {
	a, b := enginetest.Start(t), enginetest.Start(t)
	if ia, ib := info(t, a).ID, info(t, b).ID; ia == ib || ia == "" {
		t.Errorf("two engines have the ids %q and %q", ia, ib)
	}
	for _, e := range []*engine.Engine{a, b} { // the same port: the networks are separate
		enginetest.Whoami(t, e, "skep/whoami:1")
		id := run(t, e, "8080")
		if page := get(t, e.DialContext, "127.0.0.1:8080"); !strings.Contains(page, "Hostname: "+id[:12]) {
			t.Errorf("the container's page is %q, which does not name it", page)
		}
	}
	for _, e := range []*engine.Engine{a, b} {
		stopAndLook(t, e)
	}
}

// TestUnknownImageIsRefusedAtOnce guards the reason for the refusing resolver: without it each wait is ten seconds.
func TestUnknownImageIsRefusedAtOnce(t *testing.T) {
	e := enginetest.Start(t)
	began := time.Now()
	pull, err := e.Client().ImagePull(t.Context(), "nosuch/image:1", client.ImagePullOptions{})
	if err == nil {
		err = pull.Wait(t.Context())
	}
	if took := time.Since(began); err == nil || took > 5*time.Second {
		t.Errorf("pulling an unknown image took %v and said %v", took, err)
	} else {
		t.Logf("refused in %v", took)
	}
}

// TestHostNetwork publishes a port in the network the test runs in and leaves its links and firewall as they were. That
// network is a fresh one, so that nothing else on the machine changes it meanwhile.
func TestHostNetwork(t *testing.T) {
	for name, setup := range map[string][]string{
		"alone": nil,
		"beside another engine": {
			"iptables -t nat -N DOCKER", "iptables -N DOCKER", "iptables -A FORWARD -j DOCKER", "iptables -P FORWARD DROP",
			"ip link add docker0 type bridge", "ip addr add 172.17.0.1/16 dev docker0", "sysctl -qw net.ipv4.ip_forward=1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			freshNetwork(t, setup)
			before := networkState(t)
			e := enginetest.Start(t, func(c *engine.Config) { c.Network = engine.HostNetwork })
			enginetest.Whoami(t, e, "skep/whoami:1")
			if _, err := e.Client().NetworkCreate(t.Context(), "extra", client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
				t.Fatal(err)
			}
			run(t, e, "")
			if page := get(t, e.DialContext, "127.0.0.1:"+publishedPort(t, e)); !strings.HasPrefix(page, "Hostname: ") {
				t.Errorf("the published port answers %q", page)
			}
			if during := networkState(t); during == before {
				t.Error("the engine left no trace while it ran: the comparison below would prove nothing")
			}
			stopAndLook(t, e)
			if after := networkState(t); after != before {
				t.Errorf("an engine came and went; before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

// TestKilledEngineAdopts kills dockerd alone: with live restore the container of before runs on and is known after.
func TestKilledEngineAdopts(t *testing.T) {
	e := enginetest.Start(t, func(c *engine.Config) { c.Args = []string{"--live-restore"} })
	enginetest.Whoami(t, e, "skep/whoami:1")
	id := run(t, e, "8080")
	before := inspect(t, e, id)
	if err := e.Signal(t.Context(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := e.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := inspect(t, e, id); !after.Running || after.Pid != before.Pid {
		t.Errorf("before the kill the container was %+v, after it %+v", before, after)
	}
}

// TestDetachedEngineIsFoundAgain is the demo's case: one process starts the engine, a later one ends it.
func TestDetachedEngineIsFoundAgain(t *testing.T) {
	e := enginetest.Start(t, func(c *engine.Config) { c.Detached = true })
	again, err := engine.Open(filepath.Dir(e.Socket()))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info(t, again).ID, info(t, e).ID; got != want {
		t.Errorf("the engine found again is %s, the one started %s", got, want)
	}
	if _, err := engine.Start(t.Context(), engine.Config{Dir: filepath.Dir(e.Socket())}); err == nil || !strings.Contains(err.Error(), "runs there already") {
		t.Errorf("a second engine in the same directory: %v", err)
	}
	stopAndLook(t, again)
	if _, err := engine.Open(filepath.Dir(e.Socket())); err == nil {
		t.Error("a stopped engine was opened")
	}
}

// TestAttachedEngineEndsWithItsStarter guards the machine against tests that are killed.
func TestAttachedEngineEndsWithItsStarter(t *testing.T) {
	e := enginetest.Start(t)
	enginetest.Whoami(t, e, "skep/whoami:1")
	run(t, e, "8080")
	if err := e.CutLifeline(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if alive, err := e.Alive(); !alive && err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("ten seconds after its starter the engine still runs (%v)", err)
		}
	}
	if found := traces(t, filepath.Dir(e.Socket()), e.Cgroup()); found != "" {
		t.Errorf("the engine whose starter is gone left:\n%s", found)
	}
}

// TestStartSaysWhy checks that a failed start tells the reason and leaves nothing.
func TestStartSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  engine.Config
		want string
	}{
		"no directory":    {engine.Config{}, "no directory given"},
		"long directory":  {engine.Config{Dir: "/tmp/" + strings.Repeat("x", 90)}, "choose a shorter one"},
		"unknown program": {engine.Config{Program: "no-such-engine"}, "no-such-engine"},
		"wrong option":    {engine.Config{Args: []string{"--no-such-option"}}, "unknown flag: --no-such-option"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.cfg.Dir == "" && name != "no directory" {
				c.cfg.Dir = enginetest.Dir(t)
			}
			e, err := engine.Start(t.Context(), c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("started %v with error %v, which does not tell %q", e, err, c.want)
			}
			if found := traces(t, c.cfg.Dir, "no cgroup"); c.cfg.Dir != "" && found != "" {
				t.Errorf("the failed start left:\n%s", found)
			}
		})
	}
}
