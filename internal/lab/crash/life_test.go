package crash

import (
	"context"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"go.uber.org/goleak"

	"github.com/skep-org/skep/internal/executor"
	"github.com/skep-org/skep/internal/lab/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin founds a cluster and has a service run.
func (d *daemon) begin(w wanted) scene {
	d.t.Helper()
	d.startAndInit()
	d.create(w)
	return d.settles(map[string]wanted{w.name: w})
}

func (d *daemon) create(w wanted) {
	d.t.Helper()
	if err := (&user{api: d.api, service: w.name}).create(d.t.Context(), w); err != nil {
		d.t.Fatal(err)
	}
}

// TestTerminatedDaemonIsStartedAgain is an upgrade of skep: nothing happens to the containers.
func TestTerminatedDaemonIsStartedAgain(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	web := wanted{name: "web", replicas: 3}
	before := d.begin(web)
	seen := watch(t, d.engine)
	began := time.Now()
	d.end(syscall.SIGTERM)
	t.Logf("ended %v after SIGTERM", time.Since(began))
	list, err := d.engine.Client().ContainerList(t.Context(), client.ContainerListOptions{})
	if err != nil || len(list.Items) != 3 {
		t.Errorf("without skep %d containers run (%v), 3 were started", len(list.Items), err)
	}
	d.start()
	t.Logf("serving %v after the start", d.serving())
	if after := d.settles(map[string]wanted{"web": web}); !maps.Equal(after.ids("web"), before.ids("web")) {
		t.Errorf("containers before %v, after %v", before.ids("web"), after.ids("web"))
	}
	web.replicas = 4 // adopted is more than left alone: it counts
	u := &user{api: d.api, service: "web", acked: &wanted{name: "web", replicas: 3}}
	if err := u.change(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	after := d.settles(map[string]wanted{"web": web})
	for id := range before.ids("web") {
		if after.ids("web")[id] == "" {
			t.Errorf("container %s was replaced by a scaling up", id)
		}
	}
	if creates, starts := seen.counts(); creates != 1 || starts != 1 {
		t.Errorf("%d containers were created and %d started, one was asked for", creates, starts)
	}
	d.complainOfLog()
}

// TestContainersThatEndWithoutTheDaemon are noticed and replaced when it is back.
func TestContainersThatEndWithoutTheDaemon(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	web := wanted{name: "web", replicas: 3}
	before := d.begin(web)
	d.end(syscall.SIGKILL)
	ids := slices.Sorted(maps.Keys(before.ids("web")))
	if _, err := d.engine.Client().ContainerKill(t.Context(), ids[0], client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.engine.Client().ContainerRemove(t.Context(), ids[1], client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	d.start()
	d.serving()
	after := d.replaced(web, ids[:2])
	if after.ids("web")[ids[2]] != before.ids("web")[ids[2]] {
		t.Error("the container that went on running was not kept")
	}
	d.complainOfLog()
}

// replaced waits until a service runs as wanted without some containers. Tasks that failed are expected.
func (d *daemon) replaced(w wanted, gone []string) scene {
	d.t.Helper()
	for deadline := time.Now().Add(settleLimit); ; time.Sleep(50 * time.Millisecond) {
		s, err := d.scene(d.t.Context())
		problems := s.containerProblems(map[string]wanted{w.name: w})
		ids := s.ids(w.name)
		left := slices.DeleteFunc(slices.Clone(gone), func(id string) bool { return ids[id] == "" })
		if err == nil && len(problems) == 0 && len(left) == 0 {
			return s
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("after %v: %v, %v still run, %s", settleLimit, err, left, strings.Join(problems, "\n"))
		}
	}
}

// TestEngineRestarts takes the engine away under a running skep, in the ways an engine goes.
func TestEngineRestarts(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		sig   syscall.Signal
		keeps bool // the containers survive
	}{
		"upgraded":                   {sig: syscall.SIGTERM},
		"killed":                     {sig: syscall.SIGKILL},
		"upgraded with live restore": {args: []string{"--live-restore"}, sig: syscall.SIGTERM, keeps: true},
		"killed with live restore":   {args: []string{"--live-restore"}, sig: syscall.SIGKILL, keeps: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, func(cfg *engine.Config) { cfg.Args = c.args })
			web := wanted{name: "web", replicas: 3}
			before := d.begin(web).ids("web")
			if err := d.engine.Signal(t.Context(), c.sig); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond) // the agent is to have noticed, and tried a few times
			if err := d.engine.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if !c.keeps {
				d.replaced(web, slices.Collect(maps.Keys(before)))
				t.Logf("as wanted %v after the engine was back", time.Since(began))
			} else if after := d.replaced(web, nil).ids("web"); !maps.Equal(before, after) {
				t.Errorf("the containers ran on; before %v, after %v", before, after)
			}
			// The agent works again.
			u := &user{api: d.api, service: "web", acked: &wanted{name: "web", replicas: 3}}
			web.replicas = 1
			if err := u.change(t.Context(), web); err != nil {
				t.Fatal(err)
			}
			d.replaced(web, nil)
			d.complainOfLog()
		})
	}
}

// TestLeave ends all that was the cluster's and nothing else, and the node can found another.
func TestLeave(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	own, err := d.engine.Client().ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: "own", Config: &container.Config{Image: image(1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	networks := d.networks()
	web := wanted{name: "web", replicas: 3, network: "front"}
	d.startAndInit()
	if _, err := d.api.NetworkCreate(t.Context(), "front", client.NetworkCreateOptions{Driver: "overlay"}); err != nil {
		t.Fatal(err)
	}
	d.create(web)
	d.settles(map[string]wanted{"web": web}, "front")
	if slices.Equal(networks, d.networks()) {
		t.Error("the engine has no network for the service: its removal below would prove nothing")
	}
	if _, err := d.api.SwarmLeave(t.Context(), client.SwarmLeaveOptions{}); err == nil {
		t.Error("the last manager left without --force")
	}
	if _, err := d.api.SwarmLeave(t.Context(), client.SwarmLeaveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	list, err := d.engine.Client().ContainerList(t.Context(), client.ContainerListOptions{All: true})
	if err != nil || len(list.Items) != 1 || list.Items[0].ID != own.ID {
		t.Errorf("only the container that was not the cluster's is to be left, there are %+v, %v", list.Items, err)
	}
	if after := d.networks(); !slices.Equal(networks, after) {
		t.Errorf("the engine's networks were %v and are %v", networks, after)
	}
	d.end(syscall.SIGKILL)
	node := d.startAndInit()
	d.create(wanted{name: "web", replicas: 1})
	s := d.settles(map[string]wanted{"web": {name: "web", replicas: 1}})
	for _, c := range s.containers {
		if got := c.Config.Labels[executor.LabelNodeID]; got != node {
			t.Errorf("container %s is of node %s, this is %s", c.Name, got, node)
		}
	}
	d.complainOfLog()
}

func (d *daemon) networks() []string {
	list, err := d.engine.Client().NetworkList(d.t.Context(), client.NetworkListOptions{})
	if err != nil {
		d.t.Fatal(err)
	}
	var names []string
	for _, n := range list.Items {
		if n.Name != "docker_gwbridge" { // which the engine makes with the first overlay and keeps, also in swarm mode
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// TestLeaveCutShort kills the daemon while it leaves: asked again, it has left.
func TestLeaveCutShort(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	web := wanted{name: "web", replicas: 3}
	d.begin(web)
	for _, after := range []time.Duration{5, 40, 150, 300} {
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() {
			defer close(left)
			_, _ = d.api.SwarmLeave(ctx, client.SwarmLeaveOptions{Force: true})
		}()
		time.Sleep(after * time.Millisecond)
		d.end(syscall.SIGKILL)
		cancel()
		<-left
		d.start()
		for { // a node that has left does not answer about services
			if _, err := d.api.Ping(t.Context(), client.PingOptions{}); err == nil {
				break
			}
			if time.Since(d.started) > settleLimit {
				t.Fatalf("skep does not answer:\n%s", d.logTail())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	info, err := d.api.Info(t.Context(), client.InfoOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("after four attempts the node is %s", info.Info.Swarm.LocalNodeState)
	if _, err := d.api.SwarmLeave(t.Context(), client.SwarmLeaveOptions{Force: true}); err != nil && !strings.Contains(err.Error(), "not part of a swarm") {
		t.Fatal(err)
	}
	list, err := d.engine.Client().ContainerList(t.Context(), client.ContainerListOptions{All: true})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("the node has left; its engine has %+v, %v", list.Items, err)
	}
	d.complainOfLog()
}

// TestSecondDaemonIsRefused on the same data directory, while the first goes on.
func TestSecondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.startAndInit()
	d.refused(d.command("data", "second.sock"), "another skep daemon runs on the data directory "+d.path("data"))
	if _, err := d.api.ServiceList(t.Context(), client.ServiceListOptions{}); err != nil {
		t.Errorf("the first daemon: %v", err)
	}
}

// TestSecondDaemonOnTheSameSocket must not take it from the first.
func TestSecondDaemonOnTheSameSocket(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.startAndInit()
	d.refused(d.command("second", "skep.sock"), d.path("skep.sock"))
	if _, err := d.api.ServiceList(t.Context(), client.ServiceListOptions{}); err != nil {
		t.Errorf("the first daemon: %v", err)
	}
}

// TestEngineInSwarmModeIsRefused with the sentence that helps, and accepted once it has been followed.
func TestEngineInSwarmModeIsRefused(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	if _, err := d.engine.Client().SwarmInit(t.Context(), client.SwarmInitOptions{ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	d.refused(d.command("data", "skep.sock"), "is in swarm mode itself (active): leave it with `docker -H "+d.engine.Host()+" swarm leave --force`")
	if _, err := d.engine.Client().SwarmLeave(t.Context(), client.SwarmLeaveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	d.startAndInit()
}

// refused runs a daemon that has to end by itself with a sentence.
func (d *daemon) refused(cmd *exec.Cmd, sentence string) {
	d.t.Helper()
	timer := time.AfterFunc(settleLimit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), sentence) {
		d.t.Errorf("the daemon ended with %v and said %s\nnot %q", err, out, sentence)
	}
}
