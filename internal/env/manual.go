package env

import (
	"math/rand/v2"
	"time"
)

// Manual is a clock that stands still until it is moved. It belongs to one goroutine; its timers never fire by
// themselves: whoever moves it asks the components for their next step.
type Manual struct{ now time.Time }

// NewManual starts a clock at t.
func NewManual(t time.Time) *Manual { return &Manual{now: t} }

// Now implements [Clock].
func (m *Manual) Now() time.Time { return m.now }

// Set moves the clock to t, never back.
func (m *Manual) Set(t time.Time) {
	if t.After(m.now) {
		m.now = t
	}
}

// NewTimer implements [Clock] with a channel that never receives.
func (m *Manual) NewTimer(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

// Seeded is a world that a seed determines.
func Seeded(seed uint64, c Clock) Env {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return Env{Clock: c, Rand: rand.NewChaCha8(key)}
}
