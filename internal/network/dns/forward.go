package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/skep-org/skep/internal/env"
)

const (
	// mostTry is how long one upstream is waited for; mostAsk how long a client is made to wait, which gives up after 5 s.
	mostTry = 2 * time.Second
	mostAsk = 4500 * time.Millisecond
	// shunned is how long an upstream that did not answer is asked after those that did.
	shunned = 10 * time.Second
)

var errNoUpstream = errors.New("nobody is there to be asked: the host's resolv.conf names no server")

// forwarder asks upstreams. It does so from the host's own network, where a resolver on the host's loopback is reached as
// well. Nothing leads back to this server from there: queries from the host are no container's and are refused.
type forwarder struct {
	env    env.Env
	random *random
	host   *resolvConf

	mu    sync.Mutex
	until map[netip.AddrPort]time.Time // an upstream is shunned
}

func newForwarder(e env.Env, r *random, path string) *forwarder {
	return &forwarder{env: e, random: r, host: &resolvConf{path: path, clock: e}, until: map[netip.AddrPort]time.Time{}}
}

// ask is an upstream's answer, as the query's sender can take it. Upstreams that fail, refuse or keep silent have the
// next one asked; if nobody has a better word, the last one's failure is the answer.
func (f *forwarder) ask(ctx context.Context, upstreams []netip.AddrPort, q *query) ([]byte, error) {
	if len(upstreams) == 0 {
		upstreams = f.host.servers()
	}
	if len(upstreams) == 0 {
		return nil, errNoUpstream
	}
	ctx, cancel := context.WithTimeout(ctx, mostAsk)
	defer cancel()
	var failed []byte
	var errs []error
	for range 2 { // who was too slow once may have found out meanwhile
		for _, u := range f.order(upstreams) {
			raw, err := f.exchange(ctx, u, q)
			f.judge(u, err)
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s: %w", u, err))
			case retried(raw):
				failed = raw
			default:
				return fit(raw, q), nil
			}
		}
		if failed != nil {
			return fit(failed, q), nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// order puts those who answered lately before those who did not.
func (f *forwarder) order(upstreams []netip.AddrPort) []netip.AddrPort {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.env.Now()
	out := slices.Clone(upstreams)
	slices.SortStableFunc(out, func(a, b netip.AddrPort) int {
		x, y := now.Before(f.until[a]), now.Before(f.until[b])
		switch {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	})
	return out
}

func (f *forwarder) judge(u netip.AddrPort, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.until, u)
		return
	}
	now := f.env.Now()
	for other, until := range f.until {
		if now.After(until) {
			delete(f.until, other)
		}
	}
	f.until[u] = now.Add(shunned)
}

// retried are answers that another server may know better than.
func retried(raw []byte) bool {
	switch raw[3] & 0xf {
	case dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNotImplemented:
		return true
	}
	return false
}

// fit is an upstream's answer under the query's own id, cut to what its sender takes.
func fit(raw []byte, q *query) []byte {
	raw[0], raw[1] = q.raw[0], q.raw[1]
	if len(raw) <= room(q.msg, q.tcp) {
		return raw
	}
	r := new(dns.Msg)
	if err := r.Unpack(raw); err != nil {
		r = failure(q.msg, dns.RcodeSuccess)
		r.Truncated = true
	}
	r.Compress = true
	return pack(r, q)
}
