package dns

import "sync"

const (
	// mostWaiting bounds the queries of all containers that wait for an upstream or for their asker's interfaces.
	mostWaiting = 1024
	// mostWaitingOfOne leaves the others room when one container asks without end.
	mostWaitingOfOne = 256
)

// gate counts the queries that wait.
type gate struct {
	mu  sync.Mutex
	all int
	of  map[place]int
}

func newGate() *gate { return &gate{of: map[place]int{}} }

// enter reports whether one more query of an asker may wait; leave is called for each that may.
func (g *gate) enter(from place) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= mostWaiting || g.of[from] >= mostWaitingOfOne {
		return false
	}
	g.all++
	g.of[from]++
	return true
}

func (g *gate) leave(from place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.of[from]--; g.of[from] == 0 {
		delete(g.of, from)
	}
}
