package allocator

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/skep-org/skep/internal/control"
	"github.com/skep-org/skep/internal/model"
	"github.com/skep-org/skep/internal/store"
)

const (
	// A network's users are warned from warnFrom per cent of its addresses in use until it is below warnUntil again, so
	// that one task that comes and goes does not rewrite the row each time.
	warnFrom, warnUntil = 80, 75
	// usageDelay is how long after a change the addresses are counted: once for all that changes meanwhile, because it
	// takes a walk over all of them.
	usageDelay = 2 * time.Second
)

func (p *plan) wakeUsage(network model.ID) {
	p.res.Wakes(control.Key{Kind: kindUsage, Key: model.KeyOf(network)}, p.now.Add(usageDelay))
}

// usage says on a network's row when its addresses run out.
func (p *plan) usage(id model.ID) {
	n, a := store.Networks.ByID(p.v, id), p.get(id)
	if n == nil || a == nil {
		return
	}
	warning := ""
	if s := p.space(n); s != nil {
		from := warnFrom
		if a.Warning() != "" {
			from = warnUntil
		}
		if size := s.size(); s.inUse()*100 >= size*from {
			warning = fmt.Sprintf("the addresses of %s run out: over %d %% of its %d are in use, and when none is left tasks wait; use a network with a wider --subnet",
				s.where(), warnUntil, size)
		}
	}
	if warning != a.Warning() {
		next := *a
		next.SetWarning(warning)
		p.set(&next)
	}
}

// size is how many addresses there are to give.
func (s *space) size() int {
	if !s.first.Is4() {
		return 1 << 30
	}
	a, b := s.first.As4(), s.last.As4()
	n := int(binary.BigEndian.Uint32(b[:])) - int(binary.BigEndian.Uint32(a[:])) + 1
	if s.first.Less(s.gateway) && s.gateway.Less(s.last) {
		n--
	}
	if s.first == s.last && s.reserved(s.first) {
		return 0
	}
	return n
}

// inUse counts those that are given.
func (s *space) inUse() int {
	n := 0
	for addr := range store.AddressesFrom(s.p.v, s.network.ID, s.first) {
		if s.last.Less(addr) {
			break
		}
		n++
	}
	return n
}
