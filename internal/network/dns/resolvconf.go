package dns

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"github.com/skep-org/skep/internal/env"
)

const (
	// fresh is how long what a resolv.conf said is believed. The file is small: reading it again is cheaper than watching
	// it, whatever way it is replaced.
	fresh = time.Second
	// mostServers is how many servers of a resolv.conf count, as for the C library.
	mostServers = 3
	portDNS     = 53
)

// resolvConf is the host's, as it is now.
type resolvConf struct {
	path  string
	clock env.Clock
	read  atomic.Pointer[hostServers]
}

type hostServers struct {
	addrs []netip.AddrPort
	at    time.Time
}

// servers are the host's; a file that cannot be read, as while it is replaced, leaves those it had.
func (r *resolvConf) servers() []netip.AddrPort {
	now, old := r.clock.Now(), r.read.Load()
	if old != nil && now.Sub(old.at) < fresh {
		return old.addrs
	}
	next := &hostServers{at: now}
	conf, err := dns.ClientConfigFromFile(r.path)
	switch {
	case err == nil:
		next.addrs = serversOf(conf.Servers)
	case old != nil:
		next.addrs = old.addrs
	}
	r.read.Store(next)
	return next.addrs
}

// HostServers are the name servers that this host asks.
func HostServers() []netip.Addr {
	conf, err := dns.ClientConfigFromFile(hostConf)
	if err != nil {
		return nil
	}
	var all []netip.Addr
	for _, at := range serversOf(conf.Servers) {
		all = append(all, at.Addr())
	}
	return all
}

func serversOf(names []string) []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range names {
		if a, err := netip.ParseAddr(s); err == nil && len(all) < mostServers {
			all = append(all, netip.AddrPortFrom(a, portDNS))
		}
	}
	return all
}
