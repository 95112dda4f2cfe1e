package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// SimOptions are what `skep sim` was asked for.
type SimOptions struct {
	Seed     uint64
	Seeds    int // how many, from Seed on
	Managers int
	Agents   int // 0: drawn from the seed
	Length   time.Duration
	Faults   int
	Requests int
	Trace    bool // print every event
}

func simCommand(o Options) *cobra.Command {
	opts := SimOptions{Seeds: 1, Managers: 3, Length: 5 * time.Minute, Faults: 100, Requests: 300}
	var quiet bool
	var scale scaleFlags
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run a simulated cluster and break it",
		Long: `Run a whole simulated cluster in this process, from a seed: managers, agents and
container engines, with everything breaking that can break. The same seed gives
the same run with the same build of skep; what happens is printed. It touches
neither a Docker Engine nor the network.

With --tasks it measures instead, by the clock on the wall: managers in
processes of their own, over loopback TLS, with so many agents whose engines
are simulated and so many tasks. What the managers spend is reported, and how
long things take; in the end the leader's process is killed. Nothing is left.

  skep sim --agents 1000 --tasks 100000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := scale.check(cmd.Flags()); err != nil {
				return err
			}
			if scale.opts.Tasks > 0 {
				return scale.run(cmd, o, opts)
			}
			if o.Simulate == nil {
				return errors.New("this build of skep has no simulator in it")
			}
			opts.Trace = !quiet && opts.Seeds == 1
			return o.Simulate(cmd.Context(), opts, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&opts.Seed, "seed", 1, "`number` that everything is drawn from")
	f.IntVar(&opts.Seeds, "seeds", opts.Seeds, "`number` of runs, from the seed on, until one fails")
	f.IntVar(&opts.Managers, "managers", opts.Managers, "`number` of managers, each on a node of its own")
	f.IntVar(&opts.Agents, "agents", 0, "`number` of nodes, those of the managers too (default: drawn from the seed)")
	f.DurationVar(&opts.Length, "length", opts.Length, "virtual `time` in which things break")
	f.IntVar(&opts.Faults, "faults", opts.Faults, "`number` of faults, at least")
	f.IntVar(&opts.Requests, "requests", opts.Requests, "`number` of users' requests, at least")
	f.BoolVarP(&quiet, "quiet", "q", false, "print the outcome only")
	scale.add(f)
	cmd.AddCommand(scalePartCommand(o))
	return cmd
}

// Simulate runs what `skep sim` asks for.
type Simulate func(context.Context, SimOptions, io.Writer) error
