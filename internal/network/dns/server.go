package dns

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/model"
	"golang.org/x/sync/errgroup"
)

// hostConf is where a host says whom it asks.
const hostConf = "/etc/resolv.conf"

// mostHeld is how long a query waits for its asker's interfaces.
const mostHeld = 2 * time.Second

// mostReaders bounds the goroutines that read one overlay's socket: there may be hundreds of overlays.
const mostReaders = 2

// Options are what a [Server] is made of.
type Options struct {
	Env        env.Env
	Log        *slog.Logger
	ResolvConf string                // the host's; empty: /etc/resolv.conf
	Registry   prometheus.Registerer // nil: nobody counts
}

// Server answers the containers of a node. What it answers is set as a whole.
type Server struct {
	env     env.Env
	log     *slog.Logger
	state   atomic.Pointer[state]
	seed    uint64
	asked   atomic.Uint64
	gate    *seats[place] // of queries that wait
	forward *forwarder
	count   counters
}

// state is what is answered now; changed is closed when it no longer is.
type state struct {
	zones   *Zones
	changed chan struct{}
}

// New makes a server that knows no asker yet.
func New(o Options) *Server {
	if o.ResolvConf == "" {
		o.ResolvConf = hostConf
	}
	random := &random{source: o.Env.Rand}
	s := &Server{
		env: o.Env, log: o.Log, seed: random.uint64(), gate: newSeats[place](mostWaiting, mostWaitingOfOne), count: newCounters(o.Registry),
		forward: newForwarder(o.Env, random, o.ResolvConf),
	}
	s.state.Store(&state{zones: &Zones{}, changed: make(chan struct{})})
	return s
}

// Set has the server answer as z says, from the next query on. Queries that waited for it go on.
func (s *Server) Set(z *Zones) {
	old := s.state.Swap(&state{zones: z, changed: make(chan struct{})})
	close(old.changed)
}

// Serve answers what comes in on an overlay's sockets until ctx ends, and closes them: queries that wait then fail at
// once. Several overlays are served beside each other.
func (s *Server) Serve(ctx context.Context, network model.ID, pc net.PacketConn, ln net.Listener) error {
	udp, ok := pc.(packets)
	if !ok {
		return fmt.Errorf("serve names of network %s: %T is no UDP socket", network, pc)
	}
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(serving, func() {
		_ = udp.SetReadDeadline(time.Unix(1, 0)) // the readers end; who waits for an answer still gets one
		ln.Close()
	})
	defer stop()
	var slow sync.WaitGroup
	g, gctx := errgroup.WithContext(serving)
	for range min(mostReaders, runtime.GOMAXPROCS(0)) {
		g.Go(func() error { return s.serveUDP(gctx, network, udp, &slow) })
	}
	g.Go(func() error { return s.serveTCP(gctx, network, ln, &slow) })
	// A socket that fails ends the others: they are made anew together.
	g.Go(func() error {
		<-gctx.Done()
		cancel()
		return gctx.Err()
	})
	err := g.Wait()
	slow.Wait()
	pc.Close()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("serve names of network %s: %w", network, err)
}

// packets is a UDP socket.
type packets interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	SetReadDeadline(time.Time) error
}
