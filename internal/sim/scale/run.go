package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/skep-org/skep/internal/node/remote"
)

// run is one run, under way.
type run struct {
	Options
	out io.Writer
	dir string

	managers []*child
	sockets  []string
	selves   []remote.Manager
	agents   []*child
	report   *Report
}

// Run measures a cluster of the size asked for, says on out how it goes, and returns what it found.
func Run(ctx context.Context, o Options, out io.Writer) (_ *Report, err error) {
	o = o.Defaults()
	if err := o.Check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "skep-sim-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the run: %w", err)
	}
	r := &run{Options: o, out: out, dir: dir}
	r.report = &Report{Options: o, Services: len(o.services()), Processors: runtime.NumCPU(), Version: o.Version}
	defer func() { err = errors.Join(err, r.close()) }()
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"start the managers", r.startManagers},
		{"start the agents", r.startAgents},
		{"create the services", r.load},
		{"hold still", r.hold},
		{"create one service more", r.burst},
		{"lose the leader", r.failover},
	}
	for _, s := range steps {
		began := time.Now()
		if err := s.do(ctx); err != nil {
			return r.partial(), fmt.Errorf("%s: %w", s.what, err)
		}
		if ctx.Err() != nil {
			return r.partial(), context.Cause(ctx)
		}
		r.say("%s: %.2f s", s.what, time.Since(began).Seconds())
	}
	return r.report, nil
}

// partial is what was found before something failed; nil before the load was measured.
func (r *run) partial() *Report {
	if r.report.Load.Seconds == 0 {
		return nil
	}
	return r.report
}

func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, format+"\n", args...)
}

// close ends all parts, and removes what they left.
func (r *run) close() error {
	done := make(chan struct{})
	parts := append(append([]*child{}, r.agents...), r.managers...)
	for _, c := range parts {
		go func() { c.end(); done <- struct{}{} }()
	}
	for range parts {
		<-done
	}
	if err := os.RemoveAll(r.dir); err != nil {
		return fmt.Errorf("remove the run's directory: %w", err)
	}
	return nil
}

func (r *run) path(name string) string { return filepath.Join(r.dir, name) }

// startManagers founds the cluster and has the other managers join.
func (r *run) startManagers(ctx context.Context) error {
	token, at := "", ""
	for i := range r.Managers {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := fmt.Sprintf("manager-%d", i+1)
		s := managerSetup{Dir: r.path(name), API: r.path(name + ".sock"), Token: token, Join: at}
		if err := os.Mkdir(s.Dir, 0o700); err != nil {
			return err
		}
		var ready managerReady
		c, err := start(r.Options, name, r.path(name+".log"), setup{Manager: &s}, &ready)
		if c != nil {
			r.managers, r.sockets = append(r.managers, c), append(r.sockets, s.API)
		}
		if err != nil {
			return err
		}
		ready.Self.Leader = i == 0
		r.selves = append(r.selves, ready.Self)
		if i == 0 {
			token, at = ready.Token, ready.Self.Addr
		}
	}
	return nil
}

// leader is the manager that leads: its place in managers. It has to be known.
func (r *run) leader(ctx context.Context) (place int, err error) {
	err = until(ctx, "find the leader", func() (bool, error) {
		for i, c := range r.managers {
			if c.dead {
				continue
			}
			var s managerState
			if err := c.ask(question{Do: "state"}, &s); err != nil {
				return false, err
			}
			if s.Leading {
				place = i
				return true, nil
			}
		}
		return false, nil
	})
	return place, err
}

// watcher is the manager whose tables are watched: one that does not lead, if there is another.
func (r *run) watcher(leader int) *child {
	for i, c := range r.managers {
		if i != leader && !c.dead {
			return c
		}
	}
	return r.managers[leader]
}

// startAgents lets the nodes in and waits until all are ready.
func (r *run) startAgents(ctx context.Context) error {
	lead, err := r.leader(ctx)
	if err != nil {
		return err
	}
	first := 0
	for i, many := range r.groups() {
		file := r.path(fmt.Sprintf("agents-%d.keys", i+1))
		if err := r.managers[lead].ask(question{Do: "admit", Many: many, File: file}, nil); err != nil {
			return err
		}
	}
	r.say("%d nodes admitted", r.Agents)
	if err := r.profile(r.managers[lead], "connect"); err != nil {
		return err
	}
	from, err := r.account()
	if err != nil {
		return err
	}
	for i, many := range r.groups() {
		name := fmt.Sprintf("agents-%d", i+1)
		s := agentsSetup{Passes: r.path(name + ".keys"), First: first, Managers: r.selves, Seed: r.Seed}
		c, err := start(r.Options, name, r.path(name+".log"), setup{Agents: &s}, nil)
		if c != nil {
			r.agents = append(r.agents, c)
		}
		if err != nil {
			return err
		}
		first += many
	}
	if err := r.allReady(ctx, lead); err != nil {
		return err
	}
	spent, err := r.since(from)
	if err != nil {
		return err
	}
	r.report.Connect = Connect{Seconds: spent.seconds, LeaderSeconds: spent.managers[lead].Seconds()}
	if r.report.Connect.LeaderRSS, err = resident(r.managers[lead].pid()); err != nil {
		return err
	}
	return r.profiled(r.managers[lead], "connect")
}

// allReady waits until the leader counts all nodes ready.
func (r *run) allReady(ctx context.Context, lead int) error {
	return until(ctx, "wait for the agents", func() (bool, error) {
		var s managerState
		err := r.managers[lead].ask(question{Do: "state"}, &s)
		return s.Ready >= r.Agents, err
	})
}
