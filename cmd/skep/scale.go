package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/skep-org/skep/internal/cli"
	"github.com/skep-org/skep/internal/sim/scale"
)

// measure runs a cluster at full size and prints what it found.
func measure(ctx context.Context, o cli.ScaleOptions, out io.Writer) error {
	r, err := scale.Run(ctx, scale.Options{
		Managers: o.Managers, Agents: o.Agents, Tasks: o.Tasks, Replicas: o.Replicas, Burst: o.Burst, Steady: o.Steady, Failover: o.Failover,
		Seed: o.Seed, PerProcess: o.PerProcess, Dir: o.Dir, Profile: o.Profile, Command: o.Part, Version: o.Version,
	}, out)
	if r != nil {
		if _, perr := fmt.Fprint(out, "\n", r.Text()); err == nil {
			err = perr
		}
	}
	if r != nil && o.Report != "" { // what was found before something failed, too
		err = errors.Join(err, r.WriteFile(o.Report))
	}
	return err
}

// part is one of its processes.
func part(ctx context.Context, version string, in io.Reader, out io.Writer) error {
	return scale.Part(ctx, version, in, out)
}
