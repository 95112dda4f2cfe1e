package sim

import "time"

// clock is one host's: it goes as fast as the world's and shows another time.
type clock struct {
	w      *world
	offset time.Duration
}

// Now implements [env.Clock].
func (c *clock) Now() time.Time { return c.w.now().Add(c.offset) }

// NewTimer implements [env.Clock] with a channel that never receives: the world wakes whoever waits.
func (c *clock) NewTimer(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

// drift draws how far a host's clock is off: mostly little, now and then as if nobody had ever set it.
func (w *world) drift() time.Duration {
	most := 200 * time.Millisecond
	switch {
	case w.chance(100):
		most = 20 * time.Second
	case w.chance(200):
		most = 2 * time.Second
	}
	return w.upTo(2*most) - most
}
