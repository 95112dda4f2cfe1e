package simulated

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/skep-org/skep/internal/executor"
)

// Config says how the engine and its containers behave where no [Behaviour] does. The zero value is an engine on which
// everything succeeds at once and runs for ever.
type Config struct {
	Node swarm.NodeDescription

	Prepare, Start, Stop, Remove Range // how long each takes

	PrepareFails, StartFails Chance
	Crashes                  Chance // of a started container to end by itself
	Life                     Range  // how long one that crashes runs
	OutOfMemory              Chance // of a crash to be for want of memory
	Sick                     Chance // of a container with a healthcheck to become unhealthy, not healthy
	Check                    Range  // how long until its health is known

	// Behave decides for one task instead of the dice; nil, or a nil result, leaves it to them.
	Behave func(*executor.Task) *Behaviour
}

// Range is a span from which durations are drawn evenly; the zero value is no time at all.
type Range struct{ Min, Max time.Duration }

// Exactly is a Range of one duration.
func Exactly(d time.Duration) Range { return Range{d, d} }

// Chance is a probability in thousandths.
type Chance uint16

// Behaviour is how one task's container behaves.
type Behaviour struct {
	PrepareErr, StartErr error         // the task's own fault; nil succeeds
	RunFor               time.Duration // ends by itself after it; 0 runs until it is stopped
	ExitCode             int           // when it ends by itself
	OutOfMemory          bool
	StopTakes            time.Duration // from the stop signal to its end; the spec's grace period bounds it
	Sick                 bool          // unhealthy, if it has a healthcheck
	CheckAfter           time.Duration // when its health is known
	Output               []string      // lines of its log
}

// dice draws from the world's randomness.
type dice struct{ r io.Reader }

func (d dice) below(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	var b [8]byte
	d.read(b[:])
	return binary.LittleEndian.Uint64(b[:]) % n
}

func (d dice) read(b []byte) {
	if _, err := io.ReadFull(d.r, b); err != nil {
		panic("simulated: the source of randomness failed: " + err.Error())
	}
}

func (d dice) hits(c Chance) bool { return c > 0 && d.below(1000) < uint64(c) }

func (d dice) from(r Range) time.Duration {
	if r.Max <= r.Min {
		return r.Min
	}
	return r.Min + time.Duration(d.below(uint64(r.Max-r.Min)+1))
}
