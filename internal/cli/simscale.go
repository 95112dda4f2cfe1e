package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ScaleOptions are what `skep sim --tasks` was asked for.
type ScaleOptions struct {
	Seed       uint64
	Managers   int
	Agents     int
	Tasks      int
	Replicas   int // of each service; 0: 1000, or all tasks
	Burst      int
	Steady     time.Duration
	Failover   bool
	PerProcess int
	Report     string // file for the report as JSON; empty: none
	Profile    string // directory for profiles; empty: none
	Dir        string // where the run keeps its state; empty: the system's for temporary files
	Version    string
	Part       []string // arguments with which this program is a part of the run
}

// Scale runs what `skep sim --tasks` asks for.
type Scale func(context.Context, ScaleOptions, io.Writer) error

// ScalePart is one process of such a run; it is told what to do by in.
type ScalePart func(ctx context.Context, version string, in io.Reader, out io.Writer) error

// scaleFlags are the flags of the run by the clock on the wall.
type scaleFlags struct{ opts ScaleOptions }

const partCommand = "part"

func (s *scaleFlags) add(f *pflag.FlagSet) {
	s.opts = ScaleOptions{Steady: 10 * time.Second, Failover: true, Burst: -1, PerProcess: 5000}
	f.IntVar(&s.opts.Tasks, "tasks", 0, "`number` of tasks: measure real managers by the clock on the wall (default: virtual time)")
	f.IntVar(&s.opts.Replicas, "replicas", 0, "with --tasks, `number` of tasks of each service (default: 1000)")
	f.IntVar(&s.opts.Burst, "burst", s.opts.Burst, "with --tasks, `number` of tasks of the service that is created while the rest stands (default: one for each agent)")
	f.DurationVar(&s.opts.Steady, "steady", s.opts.Steady, "with --tasks, `time` in which nothing is asked for")
	f.BoolVar(&s.opts.Failover, "failover", s.opts.Failover, "with --tasks, kill the leader in the end")
	f.IntVar(&s.opts.PerProcess, "per-process", s.opts.PerProcess, "with --tasks, `number` of agents that share a process at most")
	f.StringVar(&s.opts.Report, "report", "", "with --tasks, `file` to write the report to as JSON")
	f.StringVar(&s.opts.Profile, "pprof", "", "with --tasks, `directory` to write the leader's profiles to")
	f.StringVar(&s.opts.Dir, "dir", "", "with --tasks, `directory` to keep the run's state in (default: the system's for temporary files)")
}

// check refuses flags of one way to simulate that are given to the other.
func (s *scaleFlags) check(f *pflag.FlagSet) error {
	var errs []error
	wall := f.Changed("tasks")
	for _, name := range []string{"seeds", "length", "faults", "requests", "quiet"} {
		if wall && f.Changed(name) {
			errs = append(errs, fmt.Errorf("--%s is of a run in virtual time, and --tasks asks for one by the clock on the wall", name))
		}
	}
	for _, name := range []string{"replicas", "burst", "steady", "failover", "per-process", "report", "pprof", "dir"} {
		if !wall && f.Changed(name) {
			errs = append(errs, fmt.Errorf("--%s is of a run by the clock on the wall, which --tasks asks for", name))
		}
	}
	if wall && s.opts.Tasks < 1 {
		errs = append(errs, fmt.Errorf("--tasks %d is not at least 1", s.opts.Tasks))
	}
	if wall && !f.Changed("agents") {
		errs = append(errs, errors.New("--tasks needs --agents: how many nodes are to run them"))
	}
	return errors.Join(errs...)
}

func (s *scaleFlags) run(cmd *cobra.Command, o Options, sim SimOptions) error {
	if o.Scale == nil {
		return errors.New("this build of skep has no simulator in it")
	}
	opts := s.opts
	opts.Seed, opts.Managers, opts.Agents, opts.Version = sim.Seed, sim.Managers, sim.Agents, o.Version
	opts.Part = []string{"sim", partCommand}
	if opts.Burst < 0 {
		opts.Burst = opts.Agents
	}
	return o.Scale(cmd.Context(), opts, cmd.OutOrStdout())
}

// scalePartCommand is the hidden command that is a process of such a run.
func scalePartCommand(o Options) *cobra.Command {
	return &cobra.Command{
		Use:    partCommand,
		Short:  "Be a process of skep sim --tasks",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.ScalePart == nil {
				return errors.New("this build of skep has no simulator in it")
			}
			return o.ScalePart(cmd.Context(), o.Version, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
