package scale

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/skep-org/skep/internal/env"
)

var errLeaderChanged = errors.New("another manager leads now: the machine was too busy for the leader to be heard in time, and the figures would be of neither")

// load creates the services and waits until all their tasks run.
func (r *run) load(ctx context.Context) error {
	lead, err := r.leader(ctx)
	if err != nil {
		return err
	}
	m, w := r.managers[lead], r.watcher(lead)
	var before, after managerState
	if err := errors.Join(m.ask(question{Do: "state"}, &before), w.ask(question{Do: "watch"}, nil), r.profile(m, "load")); err != nil {
		return err
	}
	from, err := r.account()
	if err != nil {
		return err
	}
	u := newUser(r.sockets[lead])
	defer u.close()
	p := probe(ctx, u)
	err = u.createAll(ctx, r.services())
	seen, waited := watched{}, error(nil)
	if err == nil {
		seen, waited = r.allRun(ctx, w, r.Tasks)
	}
	api, perr := p.end()
	if err := errors.Join(err, waited, perr); err != nil {
		return err
	}
	s, err := r.since(from)
	if err != nil {
		return err
	}
	if err := errors.Join(r.profiled(m, "load"), m.ask(question{Do: "state"}, &after)); err != nil {
		return err
	}
	if !after.Leading {
		return errLeaderChanged
	}
	l := Load{
		Seconds: seen.LastRun.Seconds(), ToRunning: Spread{seen.Came, seen.P50, seen.P99, seen.Max}, Missed: seen.Missed,
		PlacedPerS: float64(seen.Placed) / max(seen.LastPut.Seconds(), 0.001), RunningPerS: float64(seen.Came) / max(seen.LastRun.Seconds(), 0.001),
		LeaderMillis: per(s.managers[lead].Seconds()*1000, r.Tasks), OtherMillis: per(s.besides(lead).Seconds()*1000, r.Tasks),
		AgentsMillis: per(s.agents.Seconds()*1000, r.Tasks), LeaderHeap: after.Heap,
		LogPerTask: per(float64(after.LogBytes-before.LogBytes), r.Tasks), EntryPerTask: per(float64(after.LogIndex-before.LogIndex), r.Tasks),
		NetToAgent: per(float64(s.net.Read), r.Agents), NetFromAgent: per(float64(s.net.Wrote), r.Agents), Others: s.others,
	}
	if l.LeaderRSS, err = resident(m.pid()); err != nil {
		return err
	}
	if l.OtherRSS, err = resident(w.pid()); err != nil {
		return err
	}
	for _, c := range r.agents {
		n, err := resident(c.pid())
		if err != nil {
			return err
		}
		l.AgentsRSS += n
	}
	r.report.Load, r.report.API = l, api
	return nil
}

// allRun waits until so many tasks of new services run, and says now and then how far that is.
func (r *run) allRun(ctx context.Context, w *child, tasks int) (seen watched, err error) {
	told := time.Now()
	err = until(ctx, "wait for the tasks", func() (bool, error) {
		err := w.ask(question{Do: "watched"}, &seen)
		if time.Since(told) >= 10*time.Second {
			told = time.Now()
			r.say("%d tasks placed, %d running", seen.Placed, seen.Came)
		}
		return seen.Came >= tasks, err
	})
	if err != nil {
		err = fmt.Errorf("%d of %d tasks placed, %d running: %w", seen.Placed, tasks, seen.Came, err)
	}
	return seen, err
}

// hold asks nothing of the cluster for a while.
func (r *run) hold(ctx context.Context) error {
	if r.Options.Steady <= 0 {
		return nil
	}
	lead, err := r.leader(ctx)
	if err != nil {
		return err
	}
	if err := env.Real().Pause(ctx, settling); err != nil {
		return err
	}
	if err := r.profile(r.managers[lead], "steady"); err != nil {
		return err
	}
	from, err := r.account()
	if err != nil {
		return err
	}
	if err := env.Real().Pause(ctx, r.Options.Steady); err != nil {
		return err
	}
	s, err := r.since(from)
	if err != nil {
		return err
	}
	r.report.Steady = &Steady{
		Seconds: s.seconds, LeaderCores: s.managers[lead].Seconds() / s.seconds, OtherCores: s.besides(lead).Seconds() / s.seconds,
		AgentsCores: s.agents.Seconds() / s.seconds, NetPerS: per(float64(s.net.Read+s.net.Wrote)/s.seconds, r.Agents), Others: s.others,
	}
	return r.profiled(r.managers[lead], "steady")
}

// settling is between the load and the time that is called steady: snapshots and acknowledgements are still under way.
const settling = 2 * time.Second

// burst creates one large service while all else stands.
func (r *run) burst(ctx context.Context) error {
	if r.Options.Burst == 0 {
		return nil
	}
	lead, err := r.leader(ctx)
	if err != nil {
		return err
	}
	m, w := r.managers[lead], r.watcher(lead)
	if err := errors.Join(w.ask(question{Do: "watch"}, nil), r.profile(m, "burst")); err != nil {
		return err
	}
	from, err := r.account()
	if err != nil {
		return err
	}
	u := newUser(r.sockets[lead])
	defer u.close()
	if _, err := u.create(ctx, "burst", r.Options.Burst); err != nil {
		return err
	}
	seen, err := r.allRun(ctx, w, r.Options.Burst)
	if err != nil {
		return err
	}
	s, err := r.since(from)
	if err != nil {
		return err
	}
	r.report.Burst = &Burst{
		Replicas: r.Options.Burst, Seconds: seen.LastRun.Seconds(), ToRunning: Spread{seen.Came, seen.P50, seen.P99, seen.Max},
		LeaderMillis: per(s.managers[lead].Seconds()*1000, r.Options.Burst), Others: s.others,
	}
	return r.profiled(m, "burst")
}

// failover kills the leader's process while a user writes, and waits for a write and for all agents.
func (r *run) failover(ctx context.Context) error {
	if !r.Options.Failover {
		return nil
	}
	lead, err := r.leader(ctx)
	if err != nil {
		return err
	}
	next := (lead + 1) % len(r.managers)
	u := newUser(r.sockets[next])
	defer u.close()
	if _, err := u.create(ctx, "before", 0); err != nil {
		return err
	}
	from, err := r.account()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := r.managers[lead].kill(); err != nil {
		return err
	}
	f := &Failover{}
	for n := 0; ; n++ {
		try, cancel := context.WithTimeout(ctx, writePatience)
		_, err := u.create(try, fmt.Sprintf("after-%d", n), 0)
		cancel()
		if err == nil {
			break
		}
		if err := env.Real().Pause(ctx, poll); err != nil {
			return err
		}
	}
	f.WriteSeconds = time.Since(began).Seconds()
	r.report.Failover = f
	r.say("a write is acknowledged after %.2f s", f.WriteSeconds)
	if lead, err = r.leader(ctx); err != nil {
		return err
	}
	if err := r.profile(r.managers[lead], "failover"); err != nil {
		return err
	}
	told := time.Now()
	// Nodes that were ready stay so in the tables for a while: the agents know better.
	back, cancel := context.WithTimeout(ctx, returnPatience)
	defer cancel()
	err = until(back, "wait for the agents to find the next leader", func() (bool, error) {
		at, err := r.account()
		if time.Since(told) >= 10*time.Second {
			told = time.Now()
			r.say("%d of %d agents have a session again", at.net.Connected, r.Agents)
		}
		return at.net.Connected >= r.Agents, err
	})
	switch {
	case err == nil:
		f.AgentsSeconds = time.Since(began).Seconds()
	case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
		return err
	}
	s, err := r.since(from)
	if err != nil {
		return err
	}
	f.LeaderSeconds, f.Others = s.managers[lead].Seconds(), s.others
	return errors.Join(r.profiled(r.managers[lead], "failover"), u.call(ctx, http.MethodDelete, "/services/before", nil, nil))
}

// writePatience is how long a user waits before he asks once more. A manager itself gives up after four seconds without a leader.
const writePatience = 5 * time.Second

// returnPatience is how long agents are waited for that have lost their leader: longer than a manager that leads anew does.
const returnPatience = time.Minute

// profile begins a profile of the leader, if one was asked for.
func (r *run) profile(m *child, phase string) error {
	if r.Profile == "" {
		return nil
	}
	if err := os.MkdirAll(r.Profile, 0o755); err != nil {
		return err
	}
	return m.ask(question{Do: "profile", File: filepath.Join(r.Profile, phase+".cpu.pprof")}, nil)
}

func (r *run) profiled(m *child, phase string) error {
	if r.Profile == "" {
		return nil
	}
	return m.ask(question{Do: "profiled", File: filepath.Join(r.Profile, phase+".heap.pprof")}, nil)
}
