package dns

import "sync"

const (
	// mostWaiting bounds the queries of all containers that wait for an upstream or for their asker's interfaces.
	mostWaiting = 1024
	// mostWaitingOfOne leaves the others room when some containers ask without end.
	mostWaitingOfOne = 64
)

// seats are taken by askers: so many in all, and so many by one of them.
type seats[K comparable] struct {
	most, ofOne int

	mu  sync.Mutex
	all int
	of  map[K]int
}

func newSeats[K comparable](most, ofOne int) *seats[K] {
	return &seats[K]{most: most, ofOne: ofOne, of: map[K]int{}}
}

// take reports whether there was one for an asker; leave is called for each that was taken.
func (s *seats[K]) take(by K) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.of[by] >= s.ofOne {
		return false
	}
	s.all++
	s.of[by]++
	return true
}

func (s *seats[K]) leave(by K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[by]--; s.of[by] == 0 {
		delete(s.of, by)
	}
}
