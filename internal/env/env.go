package env

import (
	"context"
	"crypto/rand"
	"io"
	"time"
)

// Clock tells the time and wakes sleepers.
type Clock interface {
	Now() time.Time
	// NewTimer returns a channel that receives once after d, and a function that ends the wait early.
	NewTimer(d time.Duration) (c <-chan time.Time, stop func())
}

// Env is the world as one component sees it.
type Env struct {
	Clock
	Rand io.Reader // a read never fails
}

// Real is the machine's own clock and entropy.
func Real() Env { return Env{Clock: wall{}, Rand: rand.Reader} }

// Pause returns after d, or at once with its error when ctx ends.
func (e Env) Pause(ctx context.Context, d time.Duration) error {
	timer, stop := e.NewTimer(d)
	defer stop()
	select {
	case <-timer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// NewID draws 128 random bits that are never all zero.
func (e Env) NewID() [16]byte {
	for {
		var id [16]byte
		if _, err := io.ReadFull(e.Rand, id[:]); err != nil {
			panic("env: the source of randomness failed: " + err.Error())
		}
		if id != [16]byte{} {
			return id
		}
	}
}

type wall struct{}

func (wall) Now() time.Time { return time.Now() }

func (wall) NewTimer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
