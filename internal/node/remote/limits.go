package remote

import (
	"maps"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"

	"github.com/skep-org/skep/internal/env"
	"github.com/skep-org/skep/internal/wire"
)

// addressKey is what counts as one address: an IPv6 host has a whole network of them.
func addressKey(a net.Addr) string {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.String()
	}
	addr := ap.Addr().Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

// crowd counts who is there, and has room for so many.
type crowd struct {
	mu    sync.Mutex
	most  int
	total int
	each  map[string]int
}

func newCrowd(most int) *crowd { return &crowd{most: most, each: map[string]int{}} }

func (c *crowd) enter(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= c.most || c.each[key] >= max(1, c.most/8) {
		return false
	}
	c.total++
	c.each[key]++
	return true
}

func (c *crowd) leave(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.each[key]--; c.each[key] == 0 {
		delete(c.each, key)
	}
}

// addressesAtOnce bounds the addresses whose rate is remembered; one that was quiet for a few seconds is forgotten.
const addressesAtOnce = 4096

// gate limits the calls that need no certificate.
type gate struct {
	limits  Limits
	clock   env.Clock
	mu      sync.Mutex
	overall *rate.Limiter
	each    map[string]*rate.Limiter
	running int
}

func newGate(l Limits, clock env.Clock) *gate {
	return &gate{limits: l, clock: clock, overall: rate.NewLimiter(rate.Limit(l.Overall), max(1, int(2*l.Overall))), each: map[string]*rate.Limiter{}}
}

// enter takes a call, or says why not. A call that was taken has to leave.
func (g *gate) enter(key string) error {
	now := g.clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.each[key]
	if one == nil {
		if len(g.each) >= addressesAtOnce {
			maps.DeleteFunc(g.each, func(_ string, l *rate.Limiter) bool { return l.TokensAt(now) >= float64(g.limits.Burst) })
		}
		if len(g.each) >= addressesAtOnce {
			return tooMany("too many nodes ask to join at the same time; try again shortly")
		}
		one = rate.NewLimiter(rate.Limit(g.limits.PerAddress), g.limits.Burst)
		g.each[key] = one
	}
	switch {
	case !one.AllowN(now, 1):
		return tooMany("too many requests to join come from this address; try again shortly")
	case g.running >= g.limits.Concurrent || !g.overall.AllowN(now, 1):
		return tooMany("too many nodes ask to join at the same time; try again shortly")
	}
	g.running++
	return nil
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
}

func tooMany(text string) error { return fault(codes.ResourceExhausted, text, wire.Refusal_NONE) }
