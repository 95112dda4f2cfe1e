package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/moby/client"

	"github.com/skep-org/skep/internal/lab/hosts"
)

// The works on several hosts, by the names the results carry.
const (
	SpreadCreate = "create 60"
	SpreadScale  = "scale 60-120"
	SpreadUpdate = "update 60"
	SpreadDrain  = "drain a node of 20"
	SpreadRemove = "remove 120"
)

const (
	spreadSmall, spreadLarge = 60, 120
	spreadWorkers            = 3
	spreadImage2             = "skep/whoami:2"
)

// SpreadConfig describes one run of Spread.
type SpreadConfig struct {
	Skep   string // the skep binary, which also makes the hosts of the other side
	Rounds int    // of each side; a figure is the median over them
	Log    io.Writer
}

// spreader is who does the works on several hosts: a cluster, or their engines alone.
type spreader interface {
	create(ctx context.Context, replicas int) error
	scale(ctx context.Context, replicas int) error
	update(ctx context.Context) error
	drain(ctx context.Context, host string) error
	restore(ctx context.Context, host string) error // after drain
	remove(ctx context.Context) error
}

// SpreadResult is one work's medians: how long it took, and what everything on the hosts used of the processors meanwhile.
// The latter hardly depends on what else the machine does.
type SpreadResult struct {
	Result
	Spent Result `json:"processor"`
}

// took is what one side needed for one work, by rounds.
type took struct{ seconds, spent []float64 }

// Spread measures what a service's tasks cost on one overlay network over three workers: by skep, by Docker's swarm mode, and
// as many containers by the workers' engines alone, ten at a time. Two labs of four hosts are up all the time; the sides take
// turns.
func Spread(ctx context.Context, cfg SpreadConfig) (_ []SpreadResult, err error) {
	dir, err := os.MkdirTemp("", "ss")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the hosts: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	grounds := map[string]*ground{}
	for _, side := range []string{Skep, Swarm} {
		g, err := newGround(ctx, cfg, filepath.Join(dir, side), side)
		if g != nil {
			defer func() { err = errors.Join(err, g.close(ctx)) }()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", side, err)
		}
		grounds[side] = g
	}
	grounds[Alone] = grounds[Swarm] // its engines, while it has no service
	all := map[string]map[string]*took{}
	sides := []string{Alone, Swarm, Skep}
	for i := range cfg.Rounds {
		for j := range sides {
			side := sides[(i+j)%len(sides)]
			if err := spreadTurn(ctx, cfg, grounds, side, all); err != nil {
				return nil, fmt.Errorf("round %d, %s: %w", i+1, side, err)
			}
		}
	}
	return spreadResults(all), nil
}

// spreadResults are the medians of every side's works.
func spreadResults(all map[string]map[string]*took) (list []SpreadResult) {
	for _, work := range []string{SpreadCreate, SpreadScale, SpreadUpdate, SpreadDrain, SpreadRemove} {
		skep, peer, limit := all[work][Skep], all[work][Swarm], all[work][Alone]
		list = append(list, SpreadResult{
			Result: Result{Work: work, Skep: median(skep.seconds), Peer: median(peer.seconds), Limit: median(limit.seconds)},
			Spent:  Result{Work: work, Skep: median(skep.spent), Peer: median(peer.spent), Limit: median(limit.spent)},
		})
	}
	return list
}

// spreadTurn lets one side do every work once.
func spreadTurn(ctx context.Context, cfg SpreadConfig, grounds map[string]*ground, side string, all map[string]map[string]*took) error {
	g := grounds[side]
	var who spreader = &service{via: g.lab.Hosts()[0].Docker()}
	if side == Alone {
		who = &engines{workers: g.workers}
	}
	_, _ = fmt.Fprintf(cfg.Log, "%-5s", side)
	defer func() { _, _ = fmt.Fprintln(cfg.Log) }()
	for _, s := range spreadSteps(who, g.workers[0].Name) {
		seconds, spent, err := g.timed(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.work, err)
		}
		if s.work == "" {
			continue
		}
		if all[s.work] == nil {
			all[s.work] = map[string]*took{Skep: {}, Swarm: {}, Alone: {}}
		}
		t := all[s.work][side]
		t.seconds, t.spent = append(t.seconds, seconds), append(t.spent, spent)
		_, _ = fmt.Fprintf(cfg.Log, "  %s: %.3f (%.2f)", s.work, seconds, spent)
	}
	return nil
}

// step is one work, measured until what runs is as wanted; one without a name is not reported.
type step struct {
	work string
	do   func(context.Context) error
	done func(count) bool
}

func spreadSteps(who spreader, drained string) []step {
	create := func(ctx context.Context) error { return who.create(ctx, spreadSmall) }
	running := func(image string, n int) func(count) bool {
		other := map[string]string{hosts.WhoamiImage: spreadImage2, spreadImage2: hosts.WhoamiImage}[image]
		return func(now count) bool { return now.running[image] == n && now.running[other] == 0 }
	}
	gone := func(now count) bool { return now.all == 0 }
	updated := running(spreadImage2, spreadSmall)
	return []step{
		{SpreadCreate, create, running(hosts.WhoamiImage, spreadSmall)},
		{SpreadScale, func(ctx context.Context) error { return who.scale(ctx, spreadLarge) }, running(hosts.WhoamiImage, spreadLarge)},
		{SpreadRemove, who.remove, gone},
		{"", create, running(hosts.WhoamiImage, spreadSmall)},
		{SpreadUpdate, who.update, updated},
		{SpreadDrain, func(ctx context.Context) error { return who.drain(ctx, drained) }, func(now count) bool { return updated(now) && now.on[drained] == 0 }},
		{"", func(ctx context.Context) error { return errors.Join(who.remove(ctx), who.restore(ctx, drained)) }, gone},
	}
}

// ground is where a side works: a manager, and workers whose engines are watched.
type ground struct {
	lab     *hosts.Lab
	workers []*hosts.Host
	seen    *containers
	unwatch context.CancelFunc
}

func newGround(ctx context.Context, cfg SpreadConfig, dir, side string) (*ground, error) {
	lab, err := hosts.Up(ctx, hosts.Config{Dir: dir, Managers: 1, Workers: spreadWorkers, Program: cfg.Skep, DockerSwarm: side == Swarm})
	if err != nil {
		return nil, err
	}
	g := &ground{lab: lab, workers: lab.Hosts()[1:]}
	watched, cancel := context.WithCancel(ctx)
	g.unwatch = cancel
	for _, h := range g.workers {
		if _, err := h.Engine().ImageTag(ctx, client.ImageTagOptions{Source: hosts.WhoamiImage, Target: spreadImage2}); err != nil {
			return g, fmt.Errorf("giving an image of %s a second name: %w", h.Name, err)
		}
		if _, err := h.Engine().NetworkCreate(ctx, aloneNetwork, client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
			return g, fmt.Errorf("making a network of the engine of %s: %w", h.Name, err)
		}
	}
	g.seen = watchHosts(watched, g.workers)
	return g, overlay(ctx, lab.Hosts()[0].Docker())
}

// overlay makes the network that the tasks are on.
func overlay(ctx context.Context, via *client.Client) error {
	if _, err := via.NetworkCreate(ctx, spreadNetwork, client.NetworkCreateOptions{Driver: "overlay"}); err != nil {
		return fmt.Errorf("making the overlay network: %w", err)
	}
	return nil
}

func (g *ground) close(ctx context.Context) error {
	g.unwatch()
	if g.seen != nil {
		<-g.seen.ended
	}
	return g.lab.Down(context.WithoutCancel(ctx))
}

func (g *ground) timed(ctx context.Context, s step) (seconds, spent float64, err error) {
	const limit = 3 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	before, err := g.spent()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := s.do(ctx); err != nil {
		return 0, 0, err
	}
	if err := g.seen.until(ctx, s.done); err != nil {
		return 0, 0, err
	}
	seconds = time.Since(start).Seconds()
	after, err := g.spent()
	return seconds, (after - before).Seconds(), err
}

// spent is the processor time of all hosts.
func (g *ground) spent() (sum time.Duration, err error) {
	for _, h := range g.lab.Hosts() {
		t, err := h.Spent()
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}
