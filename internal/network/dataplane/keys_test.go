package dataplane

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/skep-org/skep/internal/wire"
)

// sealed is a message of an encrypted network with a container on the other node, which has keys of these generations and
// still sends by the oldest of them.
func sealed(seq uint64, generations ...uint64) *wire.Fabric {
	m := message(1, seq, nil)
	spec := swarm.NetworkSpec{DriverConfiguration: &swarm.Driver{Options: map[string]string{network.OptionEncrypted: ""}}}
	m.Networks[0].Network.Spec = model.DocOf(spec).Raw()
	m.Networks[0].Endpoints = []*wire.Endpoint{{Id: wire.Bytes(task1), NodeId: wire.Bytes(other), Addr: addrBytes("10.0.1.5"), Serving: true}}
	for _, g := range generations {
		key := network.Key{99, byte(g)}
		m.Nodes[1].Keys = append(m.Nodes[1].Keys, &wire.NodeKey{Generation: g, Key: key[:], Port: 51830})
	}
	if len(generations) > 0 {
		m.Nodes[1].Sends = generations[0]
	}
	return m
}

func (w *world) generations(p *Plane) (all []uint64) {
	for _, k := range p.Encryption().GetKeys() {
		all = append(all, k.Generation)
	}
	return all
}

func (w *world) expect(p *Plane, sends uint64, generations ...uint64) {
	w.t.Helper()
	got := w.generations(p)
	same := len(got) == len(generations) && p.Encryption().GetSends() == sends
	for i := range got {
		same = same && got[i] == generations[i]
	}
	if !same {
		w.t.Fatalf("it says keys of %v and that it sends by %d, wanted %v and %d", got, p.Encryption().GetSends(), generations, sends)
	}
}

// TestKeys: a node has keys when it has an encrypted network, says them when packets by them are taken, changes them in time
// and together with others, and loses them when it has had no such network for a while.
func TestKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		defer func() { stop() }()
		if e := p.Encryption(); e.GetMeans() == "" || len(e.GetKeys()) > 0 {
			t.Fatalf("before there is anything to encrypt it says %v", e)
		}
		p.Fabric(sealed(1))
		pass(10 * time.Millisecond)
		w.expect(p, 0, 1)
		p.Fabric(sealed(2, 1))
		pass(time.Second)
		w.expect(p, 1, 1)

		// The other node begins with another key; this one sends by it once it works, and loses its own old one when that is over.
		p.Fabric(sealed(3, 1, 2))
		pass(time.Second)
		w.expect(p, 2, 1, 2)
		w.kernel.set(func() { w.kernel.live = map[network.Key]struct{}{{99, 1}: {}} })
		pass(time.Second)
		w.expect(p, 1, 1, 2)
		w.kernel.set(func() { w.kernel.live = map[network.Key]struct{}{{99, 1}: {}, {99, 2}: {}} })
		pass(time.Second)
		w.expect(p, 2, 1, 2)
		p.Fabric(sealed(4, 2))
		pass(time.Second)
		w.expect(p, 2, 2)

		// A daemon that begins goes on with the keys that it finds.
		stop()
		w.kernel.set(func() { w.kernel.left = network.Keys{{Generation: 2, Key: network.Key{2}, Port: 51830}} })
		p, stop = w.run()
		p.Fabric(sealed(5, 2))
		pass(time.Second)
		w.expect(p, 2, 2)

		// Its time has come.
		pass(DefaultRotation)
		w.expect(p, 2, 2, 3)

		// No encrypted network is left.
		p.Fabric(message(1, 6, nil))
		pass(idleFor / 2)
		w.expect(p, 0, 2, 3)
		pass(idleFor)
		w.expect(p, 0)
	})
}

// TestLost: what the kernel has lost is made again at once.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.kernel.lost = make(chan struct{}, 1)
		p, stop := w.run()
		defer stop()
		p.Fabric(sealed(1, 1))
		pass(time.Second)
		before := w.kernel.syncs
		w.kernel.lost <- struct{}{}
		pass(time.Millisecond)
		if w.kernel.syncs == before {
			t.Error("nothing is done about it")
		}
	})
}

// TestStuckChange: a change of keys that another node keeps from ending is found, with that node and what it lacks, and is not
// found any more when it has ended.
func TestStuckChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p, stop := w.run()
		defer func() { stop() }()
		found := func() string {
			list, err := p.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range list {
				if f.Object == "keys of encrypted networks" {
					return f.Wrong
				}
			}
			return ""
		}
		p.Fabric(sealed(1, 1))
		pass(DefaultRotation + time.Second)
		w.expect(p, 1, 1, 2)
		if said := found(); said != "" {
			t.Errorf("a change that has just begun is found: %s", said)
		}
		pass(changePatience + lookSeldom)
		if said := found(); !strings.Contains(said, "node 192.0.2.2 has not made a new key") || strings.Contains(said, "this node") {
			t.Errorf("a node that does not follow is found as %q", said)
		}
		w.kernel.set(func() { w.kernel.live = map[network.Key]struct{}{{99, 2}: {}} })
		p.Fabric(sealed(2, 1, 2))
		pass(lookSeldom + time.Second)
		if said := found(); !strings.Contains(said, "node 192.0.2.2 still sends by the older key") || strings.Contains(said, "this node") {
			t.Errorf("a node that goes on by its older key is found as %q", said)
		}
		p.Fabric(sealed(3, 2))
		pass(lookSeldom + time.Second)
		if said := found(); said != "" {
			t.Errorf("a change that has ended is found: %s", said)
		}
	})
}
