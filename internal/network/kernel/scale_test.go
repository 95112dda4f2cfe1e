package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
)

// Sizes of the large world, and how much work things may be there, kernel's and our own. With -v it prints what they were:
// without the race detector and with a machine for itself, a second and a hundredth.
const (
	services, tasks, containers = 1000, 10, 10
	fullLimit, oneLimit         = 10 * time.Second, 150 * time.Millisecond
)

// large makes a world with one node of five and a thousand services of ten tasks each on one network.
func large(t testing.TB) (*world, *node) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	w.change(func(f *network.Fabric) {
		for i := 2; i <= 5; i++ {
			f.Nodes[id(i)] = network.Node{
				ID: id(i), Underlay: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}),
				Ingress: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 255, 0, byte(i)}), 16),
			}
		}
	})
	w.network("large", netip.MustParsePrefix("10.101.0.0/16"), false)
	w.on("large", func(net *network.Network) {
		for s := range services {
			id := id(100000 + s)
			net.Services[id] = &network.Service{ID: id, Name: fmt.Sprintf("s%d", s), VIP: addrAt(20000 + s)}
			for i := range tasks {
				e := largeEndpoint(s, i, s*tasks+i)
				net.Endpoints[e.ID] = e
			}
		}
	})
	for range containers {
		w.run(n, model.ID{}, "large")
	}
	return w, n
}

func addrAt(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 101, byte(n >> 8), byte(n)}) }

func largeEndpoint(service, task, addr int) *network.Endpoint {
	return &network.Endpoint{
		ID: id(1000000 + service*tasks + task), Service: id(100000 + service), Node: id(2 + task%4), Addr: addrAt(1000 + addr), Serving: true,
	}
}

// replace has one task of a service run at another address.
func (w *world) replace(round int) {
	w.on("large", func(net *network.Network) {
		e := largeEndpoint(round%services, 0, services*tasks+round%1000)
		net.Endpoints[e.ID] = e
	})
}

// spent is the processor time that something takes.
func spent(f func()) time.Duration {
	now := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began := now()
	f()
	return now() - began
}

func TestScale(t *testing.T) {
	w, n := large(t)
	began := time.Now()
	work := spent(n.sync)
	full := time.Since(began)
	var one, works []time.Duration
	for round := range 20 {
		w.replace(round)
		began := time.Now()
		works = append(works, spent(n.sync))
		one = append(one, time.Since(began))
	}
	slices.Sort(one)
	slices.Sort(works)
	began = time.Now()
	w.check()
	audit := time.Since(began)
	require.NoError(t, n.k.Close())
	n.start()
	n.want = nil
	began = time.Now()
	n.sync()
	t.Logf("%d services of %d tasks, %d containers: full sync %v (work %v), one endpoint %v (work %v), audit %v, adopted in %v",
		services, tasks, containers, full, work, one[len(one)/2], works[len(works)/2], audit, time.Since(began))
	require.Zero(t, n.k.Changes())
	require.Less(t, work, fullLimit)
	require.Less(t, works[len(works)/2], oneLimit)
}
