package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/skep-org/skep/internal/lab/differential/side"
)

// The sides of a run.
const (
	Skep  = "skep"
	Swarm = "swarm"
	Alone = "limit"
)

// Config describes one run.
type Config struct {
	Skep   string // the skep binary; "" leaves skep out
	Rounds int
	Log    io.Writer // progress, a line a round and side
}

// Run measures all sides and returns one result a work.
func Run(ctx context.Context, cfg Config) (_ []Result, err error) {
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the benchmark: %w", err)
	}
	program := filepath.Join(dir, "testimage")
	if err := side.BuildProgram(ctx, program); err != nil {
		return nil, err
	}
	engine, err := side.StartSwarm(ctx, side.Options{Dir: dir, Program: program, Tags: []string{image1, image2}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen, err := watch(ctx, engine)
	if err != nil {
		return nil, err
	}
	defer func() { cancel(); <-seen.ended }()
	r := &run{cfg: cfg, engine: engine, seen: seen, dir: dir, took: map[string]map[string][]float64{}}
	if err := r.all(ctx); err != nil {
		return nil, err
	}
	return r.results(), nil
}

// run is the state of one Run.
type run struct {
	cfg    Config
	engine *side.Side
	seen   *containers
	dir    string
	took   map[string]map[string][]float64 // by work, then side
}

func (r *run) all(ctx context.Context) error {
	// The first containers of an engine are slower than the rest; they are
	// nobody's fault.
	warm := &alone{engine: r.engine}
	if err := errors.Join(warm.create(ctx, 5), warm.remove(ctx)); err != nil {
		return fmt.Errorf("warming up: %w", err)
	}
	sides := []string{Alone, Swarm, Skep}
	if r.cfg.Skep == "" {
		sides = sides[:2]
	}
	for i := range r.cfg.Rounds {
		for j := range sides {
			name := sides[(i+j)%len(sides)]
			if err := r.one(ctx, i, name); err != nil {
				return fmt.Errorf("round %d, %s: %w", i+1, name, err)
			}
		}
	}
	return nil
}

// one lets one side do all works and takes it away again.
func (r *run) one(ctx context.Context, number int, name string) (err error) {
	if err := r.seen.until(ctx, func(c count) bool { return c.all == 0 }); err != nil {
		return fmt.Errorf("containers are left from before: %w", err)
	}
	p, err := r.party(ctx, number, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	took, err := round(ctx, p, r.seen)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(r.cfg.Log, "round %d  %-5s", number+1, name)
	for _, work := range Works() {
		if r.took[work] == nil {
			r.took[work] = map[string][]float64{}
		}
		r.took[work][name] = append(r.took[work][name], took[work])
		_, _ = fmt.Fprintf(r.cfg.Log, "  %s: %.3f", work, took[work])
	}
	_, _ = fmt.Fprintln(r.cfg.Log)
	return nil
}

func (r *run) party(ctx context.Context, number int, name string) (party, error) {
	switch name {
	case Swarm:
		return startCluster(ctx, r.engine, nil)
	case Skep:
		dir := filepath.Join(r.dir, fmt.Sprintf("k%d", number))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, fmt.Errorf("making skep's directory: %w", err)
		}
		s, err := r.engine.Beside(ctx, dir, r.cfg.Skep)
		if err != nil {
			return nil, err
		}
		return startCluster(ctx, s, s.Close)
	}
	return &alone{engine: r.engine}, nil
}

func (r *run) results() []Result {
	var list []Result
	for _, work := range Works() {
		list = append(list, Result{
			Work:  work,
			Skep:  median(r.took[work][Skep]),
			Peer:  median(r.took[work][Swarm]),
			Limit: median(r.took[work][Alone]),
		})
	}
	return list
}
