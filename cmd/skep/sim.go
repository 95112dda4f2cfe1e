package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/skep-org/skep/internal/cli"
	"github.com/skep-org/skep/internal/sim"
)

// simulate runs simulated clusters. The raft library draws from crypto/rand, which is this process's alone.
func simulate(ctx context.Context, o cli.SimOptions, out io.Writer) error {
	opts := sim.Options{Managers: o.Managers, Agents: o.Agents, Length: o.Length, Faults: o.Faults, Requests: o.Requests}
	if o.Trace {
		opts.Trace = func(line string) { _, _ = fmt.Fprintln(out, line) }
	}
	for seed := o.Seed; seed < o.Seed+uint64(o.Seeds) && ctx.Err() == nil; seed++ {
		rand.Reader = sim.Entropy(seed)
		begin := time.Now()
		r, err := sim.Run(seed, opts)
		if err != nil {
			return fmt.Errorf("the simulated cluster broke its promises: %w", err)
		}
		if _, err := fmt.Fprintf(out, "seed %d: %d faults, %d requests, %d leader terms, %d log entries, change log %x, %s virtual in %s\n", seed,
			r.Faults, r.Requests, r.Terms, r.Entries, r.Hash[:8], r.Virtual.Round(time.Second), time.Since(begin).Round(time.Millisecond)); err != nil {
			return err
		}
	}
	return ctx.Err()
}
