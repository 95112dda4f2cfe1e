package load

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Options say what is asked, and how.
type Options struct {
	Rate        float64       // requests a second to all targets together; 0: as many as Workers get answered
	Workers     int           // of a run without a rate
	For         time.Duration // how long; 0: until told to end
	Count       int           // how many requests to each target; 0: as many as there is time for
	Connections string        // keep, new, or both: each in turn
	Timeout     time.Duration // of one request with all that belongs to it
	Idle        int           // connections kept for each target
	Targets     []string      // URLs: http://name:port/path, udp://name:port
}

// Run is `whoami load` with its arguments: it writes its report as JSON when the time is up, the context ends or, with
// -stdin, what is read there ends.
func Run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	o := Options{}
	flags := flag.NewFlagSet("whoami load", flag.ContinueOnError)
	flags.Float64Var(&o.Rate, "rate", 0, "requests a second to all targets together; 0: as many as the workers get answered")
	flags.IntVar(&o.Workers, "workers", 1, "how many ask at the same time when there is no rate")
	flags.DurationVar(&o.For, "for", 0, "how long; 0: until told to end")
	flags.IntVar(&o.Count, "count", 0, "how many requests to each target; 0: as many as there is time for")
	flags.StringVar(&o.Connections, "connections", "both", "keep, new, or both: each in turn")
	flags.DurationVar(&o.Timeout, "timeout", 3*time.Second, "of one request")
	flags.IntVar(&o.Idle, "idle", 4, "connections kept for each target")
	stdin := flags.Bool("stdin", false, "end, too, when standard input does")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	o.Targets = flags.Args()
	if *stdin {
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(ctx)
		defer stop()
		go func() {
			_, _ = io.Copy(io.Discard, in)
			stop()
		}()
	}
	report, err := Ask(ctx, o)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(report)
}

// Ask does what the options say until the time is up or the context ends.
func Ask(ctx context.Context, o Options) (*Report, error) {
	targets, err := o.complete()
	if err != nil {
		return nil, err
	}
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	r := newRecorder(targets)
	run := &run{o: o, targets: targets, record: r}
	if o.Rate > 0 {
		run.atRate(ctx)
	} else {
		run.closed(ctx)
	}
	for _, t := range targets {
		t.forget()
	}
	return r.report(), nil
}

func (o *Options) complete() ([]*target, error) {
	if len(o.Targets) == 0 {
		return nil, errors.New("there is no target to ask: name URLs such as http://m1:8080/who or udp://m1:8080")
	}
	if !slices.Contains([]string{"keep", "new", "both"}, o.Connections) {
		return nil, fmt.Errorf("-connections is keep, new or both, not %q", o.Connections)
	}
	o.Workers, o.Idle = max(o.Workers, 1), max(o.Idle, 1)
	var all []*target
	for _, raw := range o.Targets {
		t, err := newTarget(raw, o.Idle)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// run is one run of Ask.
type run struct {
	o       Options
	targets []*target
	record  *recorder
}

// keeps tells whether the i-th request may go over a connection that was kept, and its connection be kept.
func (r *run) keeps(i int) bool {
	// Rounds over the targets take turns, so that each target is asked both ways.
	return r.o.Connections == "keep" || r.o.Connections == "both" && (i/len(r.targets))%2 == 0
}

func (r *run) more(i int) bool { return r.o.Count == 0 || i < r.o.Count*len(r.targets) }

// atRate sends at fixed times, whether or not earlier requests were answered.
func (r *run) atRate(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	began := time.Now()
	for i := 0; r.more(i); i++ {
		due := began.Add(time.Duration(float64(i) / r.o.Rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return
		}
		asking.Go(func() {
			r.record.late(time.Since(due))
			r.one(ctx, i)
		})
	}
}

// closed has each worker send its next request when its last was answered.
func (r *run) closed(ctx context.Context) {
	var working sync.WaitGroup
	for w := range r.o.Workers {
		working.Go(func() {
			for i := w; r.more(i) && ctx.Err() == nil; i += r.o.Workers {
				r.one(ctx, i)
			}
		})
	}
	working.Wait()
}

// one sends the i-th request. That the run ends does not cut it short.
func (r *run) one(ctx context.Context, i int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.o.Timeout)
	defer cancel()
	t, keep := r.targets[i%len(r.targets)], r.keeps(i)
	began := time.Now()
	a, err := t.ask(ctx, keep)
	r.record.add(t, keep, began, a, err)
}
