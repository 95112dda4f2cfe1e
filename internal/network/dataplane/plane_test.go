package dataplane

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/network/plugin"
	"github.com/skep-org/skep/internal/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pass lets time go by, and everything be done that is due then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

const realm1, ep1, box1 = "realm1", "ab12cd34", "/run/docker/netns/box1"

// place1 makes the place of task1's container on net1, as far as the engine asks before its sandbox is there.
func place1(t *testing.T, p *Plane) {
	t.Helper()
	if err := p.CreateNetwork(t.Context(), realm1, map[string]string{network.OptionNetwork: net1.String()}); err != nil {
		t.Fatal(err)
	}
	got, err := p.CreateEndpoint(t.Context(), plugin.NewEndpoint{Network: realm1, ID: ep1, Options: map[string]string{
		network.OptionEndpoint: task1.String(), network.OptionAddress: "10.0.1.5/24",
	}})
	want := plugin.Interface{Addr: netip.MustParsePrefix("10.0.1.5/24"), MAC: "02:42:0a:00:01:05"}
	if err != nil || got != want {
		t.Fatalf("the place is %+v, %v", got, err)
	}
}

// join1 has that container enter the place, of which the managers have told.
func join1(t *testing.T, p *Plane) {
	t.Helper()
	if _, err := p.Join(t.Context(), realm1, ep1, box1); err != nil {
		t.Fatal(err)
	}
}

// TestTask: the managers' word comes after the engine's call, the namespace after both; then the task is ready, not
// before.
func TestTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		defer stop()
		place1(t, p)
		joined := make(chan error, 1)
		go func() {
			j, err := p.Join(t.Context(), realm1, ep1, box1)
			if err == nil && j.Link != network.PeerName(network.LinkName(net1, task1)) {
				err = errors.New("joined as " + j.Link)
			}
			joined <- err
		}()
		synctest.Wait()
		if len(joined) > 0 {
			t.Fatal("joined a network that nobody told of")
		}
		p.Fabric(message(7, 1, map[model.ID]string{task1: "10.0.1.5"}))
		if err := <-joined; err != nil {
			t.Fatal(err)
		}
		ready := make(chan error, 1)
		go func() { ready <- p.Ready(t.Context(), task1) }()
		pass(time.Second)
		if len(ready) > 0 {
			t.Fatal("ready without a namespace")
		}
		if w.lastApplied() != (ack{7, 1}) {
			t.Error("a container that is just being started holds the managers up")
		}
		w.kernel.stand(box1)
		began := time.Now()
		if err := <-ready; err != nil || time.Since(began) > 10*time.Millisecond {
			t.Errorf("ready after %v: %v", time.Since(began), err)
		}
		synctest.Wait()
		if n := w.names.serves[net1]; n != 1 {
			t.Errorf("names are served %d times", n)
		}
		if err := errors.Join(p.Leave(t.Context(), realm1, ep1), p.DeleteEndpoint(t.Context(), realm1, ep1), p.DeleteEndpoint(t.Context(), realm1, ep1)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(w.kernel.links) > 0 || len(w.kernel.want.Boxes) > 0 {
			t.Errorf("afterwards there are %v and %v", w.kernel.links, w.kernel.want.Boxes)
		}
		if err := p.Ready(t.Context(), task1); err != nil {
			t.Error("a task that has ended is waited for:", err)
		}
	})
}

// TestUntold: what the managers do not tell is waited for, but not for ever, and then said.
func TestUntold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		defer stop()
		place1(t, p)
		if _, err := p.Join(t.Context(), realm1, ep1, box1); err == nil || !strings.Contains(err.Error(), "did not tell this node") {
			t.Errorf("join: %v", err)
		}
		_, err := p.CreateEndpoint(t.Context(), plugin.NewEndpoint{Network: "unheard", ID: "x"})
		if err == nil || !strings.Contains(err.Error(), "stands for none") {
			t.Errorf("an endpoint on an unknown network: %v", err)
		}
		if err := p.CreateNetwork(t.Context(), "own", nil); err == nil {
			t.Error("a network of a user's own was taken")
		}
	})
}

// TestBroken: nothing is acknowledged, and nobody ready, while the kernel refuses; it is tried again.
func TestBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		defer stop()
		w.kernel.set(func() { w.kernel.broken = errors.New("no such device") })
		w.kernel.stand(box1)
		place1(t, p)
		p.Fabric(message(7, 1, map[model.ID]string{task1: "10.0.1.5"}))
		join1(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := p.Ready(ctx, task1); err == nil || !strings.Contains(err.Error(), "no such device") {
			t.Errorf("ready: %v", err)
		}
		if got := w.lastApplied(); got != (ack{}) {
			t.Errorf("acknowledged %v", got)
		}
		if found, err := p.Check(t.Context()); err != nil || len(found) == 0 {
			t.Errorf("check found %v, %v", found, err)
		}
		w.kernel.set(func() { w.kernel.broken = nil })
		if err := p.Ready(t.Context(), task1); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := w.lastApplied(); got != (ack{7, 1}) {
			t.Errorf("acknowledged %v", got)
		}
	})
}

// TestRestart: a plane goes on from what an earlier one knew though nobody answers, with names at once; one that knows nothing leaves the
// kernel alone.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		pass(time.Minute)
		if w.kernel.syncs > 0 {
			t.Error("a plane that knows nothing changes the kernel")
		}
		place1(t, p)
		w.kernel.stand(box1)
		p.Fabric(message(7, 1, map[model.ID]string{task1: "10.0.1.5"}))
		join1(t, p)
		pass(2 * saveEvery)
		stop()
		w.engine.down, w.kernel.want = true, nil
		p, stop = w.run()
		defer stop()
		if w.names.serves[net1] != 1 {
			t.Error("names are not answered")
		}
		pass(holdMost)
		if w.kernel.want == nil || w.kernel.want.Boxes[box1] == nil || w.kernel.want.Segments[net1] == nil {
			t.Fatalf("after a restart the kernel is to hold %+v", w.kernel.want)
		}
		if err := p.Ready(t.Context(), task1); err != nil {
			t.Error(err)
		}
	})
}

// TestGuest: a plain container waits for the managers' address, is told with its names once the engine knows them, and
// not any more when it has gone or never got one.
func TestGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		defer stop()
		if err := p.CreateNetwork(t.Context(), realm1, map[string]string{network.OptionNetwork: net1.String()}); err != nil {
			t.Fatal(err)
		}
		e := plugin.NewEndpoint{Network: realm1, ID: ep1, Options: map[string]string{network.OptionAddress: "10.0.1.9"}}
		got := make(chan plugin.Interface, 1)
		go func() {
			i, err := p.CreateEndpoint(t.Context(), e)
			if err != nil {
				t.Error(err)
			}
			got <- i
		}()
		synctest.Wait()
		told := w.guestList()
		if len(told) != 1 || string(told[0].Addr) != string(addrBytes("10.0.1.9")) || string(told[0].NetworkId) != string(wire.Bytes(net1)) {
			t.Fatalf("the managers are told of %v", told)
		}
		id, err := wire.ID(told[0].Id)
		if err != nil {
			t.Fatal(err)
		}
		p.Fabric(message(7, 1, map[model.ID]string{id: "10.0.1.9"}))
		if i := <-got; i.Addr != netip.MustParsePrefix("10.0.1.9/24") {
			t.Errorf("its address is %v", i.Addr)
		}
		w.kernel.stand(box1)
		join1(t, p)
		w.engine.has(Realm{ID: realm1, Of: net1, Places: []Place{{Endpoint: ep1, Sandbox: box1, Names: []string{"db", "store"}}}})
		pass(2 * defaultAudit)
		if told := w.guestList(); len(told) != 1 || strings.Join(told[0].Names, " ") != "db store" {
			t.Errorf("its names are told as %v", told)
		}
		if err := p.DeleteEndpoint(t.Context(), realm1, ep1); err != nil {
			t.Fatal(err)
		}
		if told := w.guestList(); len(told) != 0 {
			t.Errorf("it has gone, and %v is told", told)
		}
		e.ID = "ef56"
		if _, err := p.CreateEndpoint(t.Context(), e); err == nil || !strings.Contains(err.Error(), "no address") {
			t.Errorf("without an answer: %v", err)
		}
		if told := w.guestList(); len(told) != 0 {
			t.Errorf("it got no address, and %v is told", told)
		}
	})
}

// TestLostLeave: what the engine forgot to say is noticed, in time for a check ten seconds later to find nothing.
func TestLostLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.engine.has(Realm{ID: realm1, Of: net1, Places: []Place{{Endpoint: ep1}}})
		p, stop := w.run()
		defer stop()
		place1(t, p)
		w.kernel.stand(box1)
		p.Fabric(message(7, 1, map[model.ID]string{task1: "10.0.1.5"}))
		join1(t, p)
		pass(time.Minute)
		if found, err := p.Check(t.Context()); err != nil || len(found) > 0 {
			t.Fatalf("check found %v, %v", found, err)
		}
		w.engine.has(Realm{ID: realm1, Of: net1})
		pass(10 * time.Second)
		if len(w.kernel.links) > 0 {
			t.Error("the link of a container that has gone is there still")
		}
		if found, err := p.Check(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("check found %v, %v", found, err)
		}
	})
}

// TestFound: what the engine has and nobody told is taken over, as when the place's file was lost.
func TestFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.kernel.stand(box1)
		w.engine.has(Realm{ID: realm1, Of: net1, Places: []Place{{
			Endpoint: ep1, Sandbox: box1, Addr: netip.MustParsePrefix("10.0.1.5/24"),
			Options: map[string]string{network.OptionEndpoint: task1.String(), network.OptionAddress: "10.0.1.5/24"},
		}}})
		p, stop := w.run()
		defer stop()
		p.Fabric(message(7, 1, map[model.ID]string{task1: "10.0.1.5"}))
		synctest.Wait()
		if w.kernel.want == nil || w.kernel.want.Boxes[box1] == nil {
			t.Error("the container is not on its network")
		}
	})
}

// TestRefused: a session that makes no sense is given up, and its later messages are left alone; the next one counts.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		defer stop()
		p.Fabric(message(7, 5, nil))
		synctest.Wait()
		p.Fabric(message(8, 4, nil)) // of an older state
		p.Fabric(message(8, 6, nil))
		synctest.Wait()
		if len(w.refused) != 1 || w.refused[0] != 8 || w.lastApplied() != (ack{7, 5}) {
			t.Errorf("refused %v, applied %v", w.refused, w.lastApplied())
		}
		p.Fabric(message(9, 6, nil))
		synctest.Wait()
		if w.lastApplied() != (ack{9, 6}) {
			t.Errorf("applied %v", w.lastApplied())
		}
	})
}

// TestUnderlayLater: a daemon that started before its host had an address makes up for it, and one whose interface is
// away for a moment goes on as it was.
func TestUnderlayLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var now network.Settings
		var asked netip.Addr
		w.settings = func(known netip.Addr) network.Settings {
			w.kernel.mu.Lock()
			defer w.kernel.mu.Unlock()
			asked = known
			return now
		}
		p, stop := w.run()
		defer stop()
		p.Fabric(message(7, 1, nil))
		is := func(addr string, mtu int) {
			t.Helper()
			pass(2 * defaultAudit)
			w.kernel.mu.Lock()
			defer w.kernel.mu.Unlock()
			v := w.kernel.want.Segments[net1].VXLAN
			if v.MTU != mtu || addr != "" && v.Local.String() != addr {
				t.Errorf("the way to other nodes is %+v, want %s and %d", v, addr, mtu)
			}
		}
		is("", 1450)
		w.kernel.set(func() { now = network.Settings{Underlay: netip.MustParseAddr("192.0.2.9"), MTU: 1400} })
		is("192.0.2.9", 1350)
		w.kernel.set(func() { now = network.Settings{} })
		is("192.0.2.9", 1350)
		w.kernel.set(func() { now = network.Settings{Underlay: netip.MustParseAddr("192.0.2.9"), MTU: 9000} })
		is("192.0.2.9", 8950)
		if asked != p.Known().Nodes[self].Underlay {
			t.Errorf("the managers know the node at %v, looked for was %v", p.Known().Nodes[self].Underlay, asked)
		}
	})
}

// TestAudit: what is not as it should be in the kernel is put right.
func TestAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		defer stop()
		p.Fabric(message(7, 1, nil))
		pass(time.Minute)
		before := w.kernel.syncs
		w.kernel.set(func() { w.kernel.drifts = []network.Drift{{Where: "host", What: "route", How: network.Missing}} })
		pass(2 * defaultAudit)
		if w.kernel.syncs != before+1 || len(w.kernel.drifts) > 0 {
			t.Errorf("%d syncs, left are %v", w.kernel.syncs-before, w.kernel.drifts)
		}
	})
}

// TestAuditAside: nobody waits for an audit. One during which the networks were given another plan says nothing, as what
// differs may be what changed, and comes again soon; else the next comes when twenty times what it took has passed.
func TestAuditAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		defer stop()
		p.Fabric(message(7, 1, nil))
		synctest.Wait()
		w.kernel.set(func() {
			w.kernel.auditTakes = 2 * time.Second
			w.kernel.drifts = []network.Drift{{Where: "host", What: "route", How: network.Missing}}
		})
		pass(defaultAudit + time.Second) // it is at it
		before := w.kernel.syncs
		p.Fabric(message(7, 2, map[model.ID]string{task1: "10.0.1.5"}))
		synctest.Wait()
		if w.lastApplied() != (ack{7, 2}) {
			t.Error("the managers wait for an audit")
		}
		audits := func(during time.Duration) (n int) {
			w.kernel.set(func() { w.kernel.audits = 0 })
			pass(during)
			w.kernel.set(func() { n = w.kernel.audits })
			return n
		}
		if n := audits(defaultAudit + 3*time.Second); n != 1 {
			t.Errorf("after an audit that came to nothing there were %d", n)
		}
		if n := w.kernel.syncs - before; n != 1 {
			t.Errorf("the kernel was programmed %d times, once would do", n)
		}
		if n := audits(30 * time.Second); n != 0 {
			t.Errorf("after an audit that took two seconds there were %d within half a minute", n)
		}
		if n := audits(20 * time.Second); n != 1 {
			t.Errorf("there were %d audits afterwards", n)
		}
	})
}

// TestWithdrawnStaysWithdrawn: what a plane kept may be older than what it had the kernel do. The next one leaves the
// kernel alone until the managers speak, or for a moment; names are told meanwhile.
func TestWithdrawnStaysWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		place1(t, p)
		p.Fabric(message(7, 1, map[model.ID]string{task1: "10.0.1.5"}))
		w.kernel.stand(box1)
		join1(t, p)
		w.engine.has(Realm{ID: realm1, Of: net1, Places: []Place{{Endpoint: ep1, Sandbox: box1}}})
		pass(2 * saveEvery)
		old := w.fabric.content()
		p.Fabric(message(7, 2, nil))
		synctest.Wait()
		stop()
		if string(w.fabric.content()) == string(old) {
			t.Error("what the managers said last is not kept by a plane that ends in order")
		}

		if err := w.fabric.Save(old); err != nil { // as after a crash
			t.Fatal(err)
		}
		syncs, serves := w.kernel.syncs, w.names.serves[net1]
		p, stop = w.run()
		pass(holdMost / 2)
		if w.kernel.syncs != syncs {
			t.Error("the kernel goes back to what was kept")
		}
		if w.names.serves[net1] != serves+1 {
			t.Errorf("names are served %d times, before it was %d", w.names.serves[net1], serves)
		}
		p.Fabric(message(8, 1, nil))
		synctest.Wait()
		if w.kernel.syncs != syncs+1 {
			t.Error("the managers have spoken and nothing is done")
		}
		stop()

		syncs = w.kernel.syncs
		_, stop = w.run()
		defer stop()
		pass(2 * holdMost)
		if w.kernel.syncs == syncs {
			t.Error("no manager speaks, and what was kept of their word is not gone by")
		}
	})
}

// TestHostPorts: a port of the node is one task's; those left open are chosen and told.
func TestHostPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		defer stop()
		if err := p.CreateNetwork(t.Context(), realm1, map[string]string{network.OptionNetwork: net1.String()}); err != nil {
			t.Fatal(err)
		}
		create := func(id string, task model.ID, ports string) error {
			_, err := p.CreateEndpoint(t.Context(), plugin.NewEndpoint{Network: realm1, ID: id, Options: map[string]string{
				network.OptionEndpoint: task.String(), network.OptionAddress: "10.0.1.5/24", network.OptionPorts: ports,
			}})
			return err
		}
		if err := create("e1", task1, `[{"Protocol":"tcp","Published":8080,"Target":80},{"Protocol":"udp","Target":53}]`); err != nil {
			t.Fatal(err)
		}
		ports := p.HostPorts(task1)
		if len(ports) != 2 || ports[0].PublishedPort != 8080 || ports[1].PublishedPort != 32000 || ports[1].TargetPort != 53 {
			t.Errorf("the ports are %+v", ports)
		}
		if err := create("e2", model.NumID(1001), `[{"Protocol":"tcp","Published":8080,"Target":81}]`); err == nil || !strings.Contains(err.Error(), "already") {
			t.Errorf("the same port again: %v", err)
		}
		if err := create("e3", model.NumID(1002), `[{"Protocol":"udp","Published":8080,"Target":81}]`); err != nil {
			t.Errorf("the same number of another protocol: %v", err)
		}
	})
}
