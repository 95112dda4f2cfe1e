package kernel

import (
	"fmt"
	"net/netip"
	"sort"
	"testing"
	"time"

	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/network"
	"github.com/stretchr/testify/require"
)

// Sizes of the large world, and how long things may take there. The limits of the test are wide, for it runs beside
// others on small machines; BenchmarkScale prints what it really takes.
const (
	services, tasks, containers = 1000, 10, 10
	fullLimit, oneLimit         = 10 * time.Second, 200 * time.Millisecond
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

func TestScale(t *testing.T) {
	w, n := large(t)
	began := time.Now()
	n.sync()
	full := time.Since(began)
	var one []time.Duration
	for round := range 20 {
		w.replace(round)
		began := time.Now()
		n.sync()
		one = append(one, time.Since(began))
	}
	sort.Slice(one, func(i, j int) bool { return one[i] < one[j] })
	began = time.Now()
	w.check()
	audit := time.Since(began)
	require.NoError(t, n.k.Close())
	n.start()
	n.want = nil
	began = time.Now()
	n.sync()
	t.Logf("%d services of %d tasks, %d containers: full sync %v, one endpoint %v (worst %v), audit %v, adopted in %v",
		services, tasks, containers, full, one[len(one)/2], one[len(one)-1], audit, time.Since(began))
	require.Zero(t, n.k.Changes())
	require.Less(t, full, fullLimit)
	require.Less(t, one[len(one)/2], oneLimit)
}
